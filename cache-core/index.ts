// What a program may import from `@unstale/cache-core`, in the order in which a reader meets it.

export type { DemandOptions, LogToken } from "./demands.ts";
export type { FillContext } from "./fill-context.ts";
export type { GetOrSetResult, RefusedReason, UncachedReason } from "./fill-course.ts";
export {
  type GetOptions,
  type GetOrSetOptions,
  type GetResult,
  type ScopeOptions,
  type SetOptions,
  SmartCache,
} from "./smart-cache.ts";
export type { InvalidationCounts } from "./smart-cache-invalidation.ts";
export {
  type CacheWarning,
  clusterBuckets,
  type Refusal,
  type SmartCacheOptions,
  type SmartCacheSettings,
} from "./smart-cache-options.ts";
export { type ContentClass, contentClasses, type Duration, type Ttl } from "./ttl.ts";
export type { SetRefusal, SetResult } from "./writer.ts";

// Errors

export { cacheError, cacheErrors, type ErrorKind, isUnstaleError, UnstaleError } from "./errors.ts";

// Changing: what the worker drives

export { type BucketOutcome, inEveryBucket, tryEveryBucket } from "./buckets.ts";
export {
  createInvalidator,
  type Invalidation,
  type InvalidationReply,
  type Invalidator,
  type InvalidatorOptions,
  type Settled,
} from "./invalidator.ts";

// The store: the port, and its implementations

export { createMemoryStore, type MemoryStore, type MemoryStoreOptions } from "./memory-store.ts";
export { type ReplicaRequirement, requireReplicas } from "./replicated-store.ts";
export {
  type AttachReply,
  type AttachRequest,
  type Bucket,
  type CacheStore,
  type CommitReply,
  type CommitRequest,
  type ConfirmReply,
  type ConfirmRequest,
  type Demands,
  type DeploymentRecord,
  type DocumentChange,
  type Drain,
  type DrainReply,
  type DrainRequest,
  type FillLockReply,
  type FillLockRequest,
  type HeartbeatReply,
  type HeartbeatRequest,
  type InvalidateReply,
  type InvalidateRequest,
  type LogPosition,
  type LogRecord,
  type Moment,
  maxDocumentsPerCall,
  maxRecordsPerRead,
  type NewerDeployment,
  type OpenReply,
  type ReadReply,
  type ReadRequest,
  type RefusalReason,
  type Scope,
  type ScopeChange,
  type ServerInfo,
  type Snapshot,
  type SweepReply,
  type SweepRequest,
  type TopicPartition,
  type UnmetDemand,
} from "./store.ts";
export {
  createValkeyStore,
  defaultPolicy,
  type Injected,
  type StorePolicy,
  type ValkeyStoreOptions,
} from "./valkey-store.ts";
export {
  type ClusterTarget,
  isCluster,
  type ReadyClient,
  type ReadyCluster,
  type ValkeyTarget,
} from "./valkey-target.ts";

// What all programs of a deployment must agree on

export { DeploymentCheck, deploymentDifferences, proposeDeployment, wireFormat } from "./deployment.ts";

// Names: keys, ids, namespaces, leases

export { hashSlot } from "./hash-slot.ts";
export {
  checkDocumentId,
  checkNamespace,
  checkQuery,
  createKeys,
  defaultLayout,
  documentIdProblem,
  hashOf,
  type KeyLayout,
  type Keys,
  levelsOf,
  namespaceProblem,
  subjectOf,
} from "./keys.ts";
export { decodeLease, encodeLease, type Lease } from "./lease.ts";

// Time, and what is measured

export { type Clock, systemClock } from "./clock.ts";
export { type CacheMetric, cacheMetrics, cacheSpans } from "./telemetry.ts";
