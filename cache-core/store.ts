/**
 * The port to where entries live. **One method is one atomic step of the protocol** (one script on Valkey, one synchronous
 * block in memory); everything that takes several steps (the read loop, drains, sweeps, retries) is built on top of it
 * and works with either implementation. ARCHITECTURE.md numbers the invariants (I1 to I9) that these steps keep.
 *
 * Promises of every implementation:
 * - a step happens as a whole or not at all, and may be repeated, delayed or run by a zombie: the worst result is an
 *   extra miss (I6);
 * - state that is missing or cannot be understood is a miss or a refusal, never a default (I4);
 * - a step touches a bounded number of keys (I7);
 * - a step that cannot reach the store rejects with `UNSTALE_VALKEY_UNAVAILABLE`; its outcome is then unknown.
 */
export interface CacheStore {
  /** Looks an entry up under the versions that the caller knows, and judges it (I1). Writes nothing. */
  read(request: ReadRequest): Promise<ReadReply>;
  /** Creates what is lost of the bucket's state and of the scope's version counters; returns where the bucket stands. */
  open(scope: Scope): Promise<OpenReply>;
  /** Writes an entry if nothing it was built from changed since its lease (I2), and lists it in every dependency set. */
  commit(request: CommitRequest): Promise<CommitReply>;

  /** Takes, renews or gives back the right to fill one entry. The lock only saves work; no invariant needs it. */
  acquireFill(request: FillLockRequest): Promise<FillLockReply>;
  renewFill(request: FillLockRequest): Promise<FillLockReply>;
  releaseFill(request: FillLockRequest): Promise<void>;

  /** The barrier: fences first, then the dependency sets are emptied or taken away, then versions are raised. */
  invalidate(request: InvalidateRequest): Promise<InvalidateReply>;
  /** Deletes a bounded number of members of a taken dependency set. */
  drain(request: DrainRequest): Promise<DrainReply>;
  /** Deletes a bounded number of unservable keys of a namespace (or of everything), in all buckets; one step of a scan. */
  sweep(request: SweepRequest): Promise<SweepReply>;

  /** Tells how far each partition was applied, renews the bucket's id, keeps its state warm, lists leftover drains. */
  heartbeat(request: HeartbeatRequest): Promise<HeartbeatReply>;
  /** Notes that nothing logged before a moment is missing in the bucket, if that is so (the freshness watermark). */
  confirm(request: ConfirmRequest): Promise<ConfirmReply>;
  /** Sets the applied offset of a partition whose history is unknown; a larger one there means a barrier as well (H8). */
  attach(request: AttachRequest): Promise<AttachReply>;
  /**
   * Waits until `replicas` replicas acknowledged this connection's writes, in every bucket. Resolves to how many did; in a
   * cluster those of the primary where the fewest did.
   */
  awaitReplicas(request: { readonly replicas: number; readonly timeoutMs: number }): Promise<number>;

  /** Writes the deployment record if there is none; returns the one that is there. One of a newer format stays as it is. */
  configure(record: DeploymentRecord): Promise<DeploymentRecord | NewerDeployment>;
  /** The deployment record, if there is one. */
  deployment(): Promise<DeploymentRecord | NewerDeployment | undefined>;
  serverInfo(): Promise<ServerInfo>;
  /** Ends connections that the store made itself. Idempotent. */
  close(): Promise<void>;
}

/** Number of a hash-tagged slice of the keyspace: 0 on a standalone server. */
export type Bucket = number;

/** A place where entries share version counters. `namespace` is `docs:technical`, absent for entries without one. */
export interface Scope {
  readonly bucket: Bucket;
  readonly namespace?: string | undefined;
}

/** Where a bucket stood at one moment: everything that a lease must remember. */
export interface Snapshot {
  /** Logical clock of the bucket (microseconds of the server's time, but always growing). */
  readonly clock: number;
  /** Incarnation of the bucket's state: another one means that fences were lost. */
  readonly birth: number;
  /** The server's replication id (52 bits): another one means a promotion or a restart. */
  readonly replicationId: number;
  /** Version counters, the global one first, then one for each namespace level. Opaque strings. */
  readonly versions: readonly string[];
  /** The server's time in microseconds. Only for saying how late a write was. */
  readonly at: number;
}

export interface ReadRequest extends Scope {
  readonly query: string;
  /** The versions that the caller knows; empty when it knows none. */
  readonly versions: readonly string[];
  /** Judged at the same moment as the entry: where one is not met, the read is a miss, with a lease like any other. */
  readonly demands?: Demands | undefined;
}

/** What a reader asks of the bucket beyond the entry's being alive: that it knows what the reader knows. */
export interface Demands {
  /** Records that must have been applied. At most {@link maxRecordsPerRead}, each partition once. */
  readonly after: readonly LogRecord[];
  /** The longest time in ms since it was last confirmed that nothing in the log is missing. */
  readonly maxStalenessMs?: number | undefined;
}

/** More would make one step unbounded (I7). */
export const maxRecordsPerRead = 100;

/** One record of the log. */
export interface LogRecord extends TopicPartition {
  readonly offset: number;
}

/** `behind`: a record was not applied here (or its partition is not known here). `unconfirmed`: that nothing is missing was not confirmed recently enough. */
export type UnmetDemand = "behind" | "unconfirmed";

export type ReadReply =
  | { readonly kind: "hit"; readonly response: string; readonly sources: readonly string[]; readonly codec?: string }
  | { readonly kind: "miss"; readonly snapshot: Snapshot; readonly unmet?: UnmetDemand }
  /** The versions are others: read again under these. */
  | { readonly kind: "moved"; readonly versions: readonly string[] }
  /** A miss, and no lease can be had: state is lost. Call `open`. */
  | { readonly kind: "lost" }
  /** The keys are of a newer format: a miss, and nothing can be written. */
  | { readonly kind: "format" };

export type OpenReply = { readonly kind: "open"; readonly snapshot: Snapshot } | { readonly kind: "format" };

export interface CommitRequest extends Scope {
  readonly query: string;
  readonly response: string;
  /** How `response` is encoded; absent for a plain string. */
  readonly codec?: string | undefined;
  readonly sources: readonly string[];
  /** Document versions that the sources were read at (R9): a source whose event said a higher one refuses the write. */
  readonly sourceVersions?: Readonly<Record<string, number>> | undefined;
  readonly ttlMs: number;
  /** Fenced by a lease, or not fenced: then only the versions are compared. */
  readonly lease: Snapshot | { readonly versions: readonly string[] };
}

/**
 * Why an entry was not written. `lost`: the bucket's state is not the one of the lease. `old`: fences since the lease may
 * have been pruned. `changed`: a source changed since the lease, or is known in a newer version. `version`: a version tag
 * was raised since the lease. `format`: the keys are of a newer format. `wrong-type`: a dependency set is a key of another type.
 */
export type RefusalReason = "lost" | "old" | "changed" | "version" | "format" | "wrong-type";

export type CommitReply =
  | { readonly kind: "written" }
  | {
      readonly kind: "refused";
      readonly reason: RefusalReason;
      /** `changed`: the document, and the stamp of its change (microseconds; comparable with `Snapshot.at`). */
      readonly document?: string;
      readonly changedAt?: number;
      /** `version`: the versions now. */
      readonly versions?: readonly string[];
    };

export interface FillLockRequest extends Scope {
  readonly query: string;
  /** Unique for each holder. */
  readonly token: string;
  readonly ttlMs: number;
}

/** `taken`: somebody else holds the lock, or (for a renewal) nobody does any more. */
export interface FillLockReply {
  readonly kind: "held" | "taken" | "format";
}

export interface DocumentChange {
  readonly id: string;
  /** A growing number, where the system of record has one. */
  readonly version?: number | undefined;
}

/** A version tag to raise: of a namespace, or of everything (`namespace` absent). */
export interface ScopeChange {
  readonly namespace?: string | undefined;
  /** Offset of the event that asks for it: skipped below the applied offset, so that a replay does not wipe again. */
  readonly offset?: number | undefined;
}

/** A partition's progress, where the change comes from a log. */
export interface LogPosition {
  readonly topic: string;
  readonly partition: number;
  /** The offset up to which this worker applied, read before the call is sent. */
  readonly previous: number;
  /** The offset after the last event in the call. */
  readonly next: number;
}

export interface InvalidateRequest {
  readonly bucket: Bucket;
  /** At most {@link maxDocumentsPerCall}, each id once. */
  readonly documents: readonly DocumentChange[];
  readonly scopes: readonly ScopeChange[];
  readonly position?: LogPosition | undefined;
  /** Widen to a barrier for the whole bucket: what cannot be replayed must be unservable (I5). */
  readonly barrier?: boolean | undefined;
}

/** More would make one step unbounded (I7). */
export const maxDocumentsPerCall = 500;

export type InvalidateReply =
  | {
      readonly kind: "applied";
      /** The stamp that all documents of the call got. */
      readonly stamp: number;
      /** Entries deleted in this call; more may follow by draining. */
      readonly deleted: number;
      /** Drains registered for these documents, whoever started them. */
      readonly drains: readonly Drain[];
      /** Version tags raised. */
      readonly raised: number;
      /** Fences forgotten, and the floor they raised. */
      readonly pruned: number;
      /** State was lost and is new: a birth took place. */
      readonly born: boolean;
      /** The whole bucket was invalidated: on request, or because `applied` was lost. */
      readonly barrier: boolean;
    }
  /** The store answers with less than this worker applied: nothing was done, go back to `applied` and replay. */
  | { readonly kind: "rollback"; readonly applied: number }
  | { readonly kind: "format" };

/** A taken dependency set that waits for deletion. */
export interface Drain {
  readonly bucket: Bucket;
  readonly document: string;
  /** `<birth>.<replication id>:<stamp>:<n>`: names the set, and says which leases are younger than the barrier. */
  readonly token: string;
}

export interface DrainRequest {
  readonly drain: Drain;
  /** `"0"` first, then what the last reply said. */
  readonly cursor: string;
  /** Of the server that gave the cursor: on another one it is void (H12). Absent with cursor `"0"`. */
  readonly replicationId?: number | undefined;
  /** About how many members a call looks at. */
  readonly count: number;
}

export type DrainReply =
  | {
      readonly kind: "more" | "finished";
      readonly cursor: string;
      readonly replicationId: number;
      readonly deleted: number;
      /** Members that were rewritten after the barrier and stay. */
      readonly kept: number;
    }
  /** The server is another one: start at cursor `"0"`. */
  | { readonly kind: "restart" }
  /** The keys are of a newer format: nothing was deleted. */
  | { readonly kind: "format" };

export interface SweepRequest {
  /** Absent: everything. */
  readonly namespace?: string | undefined;
  /** `"0"` first, then what the last reply said, until it says `"0"`. */
  readonly cursor: string;
  /** About how many keys a call looks at. */
  readonly count: number;
}

export type SweepReply =
  | { readonly kind: "swept"; readonly cursor: string; readonly scanned: number; readonly deleted: number }
  /** The keys are of a newer format: nothing was deleted. */
  | { readonly kind: "format" };

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface HeartbeatRequest {
  readonly bucket: Bucket;
  /** The partitions that this worker owns. */
  readonly partitions: readonly TopicPartition[];
}

export type HeartbeatReply =
  | {
      readonly kind: "alive";
      /** In the order of the request; absent where nothing was ever applied, or it was lost. */
      readonly applied: readonly (number | undefined)[];
      readonly clock: number;
      readonly birth: number;
      readonly replicationId: number;
      readonly floor: number;
      /** Documents that have a fence. */
      readonly fences: number;
      readonly born: boolean;
      /** Some of the registered drains, at most about 100. */
      readonly drains: readonly Drain[];
      /** The server's time in microseconds. */
      readonly at: number;
    }
  | { readonly kind: "format" };

/** A moment of one server, in one incarnation of the bucket. */
export interface Moment {
  /** The server's time in microseconds. */
  readonly at: number;
  readonly birth: number;
  /** Of the server that answers, which may be another one than the state's until somebody's heartbeat. */
  readonly replicationId: number;
}

export interface ConfirmRequest {
  readonly bucket: Bucket;
  /** Every partition of every topic that feeds the bucket, whoever owns it. */
  readonly partitions: readonly TopicPartition[];
  /**
   * Everything logged before `moment` lies below `ends`, in the order of `partitions`: they were asked for after it. It is
   * noted if all of it is applied. Absent: the call only tells how things stand.
   */
  readonly claim?: { readonly moment: Moment; readonly ends: readonly number[] } | undefined;
}

export type ConfirmReply =
  | {
      readonly kind: "standing";
      readonly moment: Moment;
      /** In the order of the request; absent where nothing was ever applied, or it was lost. */
      readonly applied: readonly (number | undefined)[];
      /** The claim holds, and is noted (or a later one is already). */
      readonly holds: boolean;
      /** Server time in microseconds before which nothing is missing; absent where it is not known of this server and birth. */
      readonly confirmedAt?: number;
    }
  | { readonly kind: "lost" }
  | { readonly kind: "format" };

export interface AttachRequest extends TopicPartition {
  readonly bucket: Bucket;
  readonly offset: number;
  /** False: the caller has made unservable what the lost events may have changed, which is less than everything. */
  readonly barrier?: boolean | undefined;
}

export type AttachReply =
  /** `previous`: what was there. `barrier`: it was larger, so the topic is another one and the bucket was invalidated. */
  { readonly kind: "attached"; readonly previous?: number; readonly barrier: boolean } | { readonly kind: "format" };

/** What all programs on one Valkey must agree on (`unstale:config`). */
export interface DeploymentRecord {
  readonly format: number;
  /** Random id of the deployment. */
  readonly id: string;
  readonly buckets: number;
  readonly entryPrefix: string;
  /** The first is ours; the others are only invalidated. */
  readonly dependencyPrefixes: readonly string[];
  readonly foreignWriters: boolean;
  /** Consumer group of the workers; absent until a worker started. */
  readonly group?: string | undefined;
}

/** A deployment record of a newer format: what else it says is not ours to read. */
export interface NewerDeployment {
  readonly kind: "format";
  readonly format: number;
}

export interface ServerInfo {
  /** "unknown" where an ACL forbids INFO; then so is all else. */
  readonly product: "valkey" | "redis" | "memory" | "unknown";
  readonly version: string;
  readonly role: "master" | "replica" | "unknown";
  /** `maxmemory-policy`; absent where it cannot be read. */
  readonly memoryPolicy?: string;
  /** Bytes; 0 is unlimited; absent where it cannot be read. */
  readonly maxMemory?: number;
  /** Connected replicas; in a cluster of the primary that has the fewest. */
  readonly replicas: number;
  readonly clusterEnabled: boolean;
  /** Primaries of a cluster that hold buckets, where there are several. */
  readonly primaries?: number;
}
