// What a program may import from `@unstale/cache-core`, in the order in which a reader meets it.

// Time
export { type Clock, systemClock } from "./clock.ts";
// Errors
export { cacheErrors, type ErrorKind, isUnstaleError, UnstaleError } from "./errors.ts";
// Changing: what the worker drives
export {
  createInvalidator,
  type Invalidation,
  type InvalidationReply,
  type Invalidator,
  type InvalidatorOptions,
  type Settled,
} from "./invalidator.ts";
// Names: keys, ids, namespaces, leases
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
// The store: the port, and what its implementations need
export type {
  AttachReply,
  AttachRequest,
  Bucket,
  CacheStore,
  CommitReply,
  CommitRequest,
  DeploymentRecord,
  DocumentChange,
  Drain,
  DrainReply,
  DrainRequest,
  FillLockRequest,
  HeartbeatReply,
  HeartbeatRequest,
  InvalidateReply,
  InvalidateRequest,
  LogPosition,
  OpenReply,
  ReadReply,
  ReadRequest,
  RefusalReason,
  Scope,
  ScopeChange,
  ServerInfo,
  Snapshot,
  SweepReply,
  SweepRequest,
  TopicPartition,
} from "./store.ts";
export { maxDocumentsPerCall } from "./store.ts";
export type { ReadyClient, ValkeyTarget } from "./valkey-connection.ts";
export {
  createValkeyStore,
  defaultPolicy,
  type Injected,
  type StorePolicy,
  type ValkeyStoreOptions,
} from "./valkey-store.ts";
