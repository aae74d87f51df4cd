import type { Snapshot } from "./store.ts";

/**
 * What a lease says: where the bucket stood before any source was read (I2), and for which entry it is good.
 * `snapshot` is absent in a lease that was handed out while the store did not answer: every commit refuses it, so that
 * "no lease" never comes to mean "write without a fence" (I4).
 */
export interface Lease {
  /** First 16 hex digits of SHA-256 over namespace and query. */
  readonly subject: string;
  readonly snapshot?: Snapshot;
}

const format = "u1";

/** To its holder an opaque string; it may cross processes. */
export function encodeLease(lease: Lease): string {
  if (!lease.snapshot) return [format, lease.subject, "none"].join("-");
  const { clock, birth, replicationId, at, versions } = lease.snapshot;
  const numbers = [clock, birth, replicationId, at].map((value) => value.toString(36));
  return [format, lease.subject, ...numbers, versions.join(".")].join("-");
}

/** `undefined` for anything that {@link encodeLease} did not make. */
export function decodeLease(text: string): Lease | undefined {
  const none = /^u1-([0-9a-f]{16})-none$/.exec(text);
  if (none?.[1]) return { subject: none[1] };
  const match = /^u1-([0-9a-f]{16})-([0-9a-z]+)-([0-9a-z]+)-([0-9a-z]+)-([0-9a-z]+)-(\d+(?:\.\d+)*)$/.exec(text);
  if (!match) return undefined;
  const [, subject = "", ...rest] = match;
  const [clock, birth, replicationId, at] = rest.slice(0, 4).map((digits) => Number.parseInt(digits, 36));
  const versions = (rest[4] ?? "").split(".");
  if (![clock, birth, replicationId, at].every(Number.isSafeInteger)) return undefined;
  return {
    subject,
    snapshot: { clock: clock ?? 0, birth: birth ?? 0, replicationId: replicationId ?? 0, at: at ?? 0, versions },
  };
}
