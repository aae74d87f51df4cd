/**
 * Whose workers are in a group. Each member says when it joins for whom it works (the user data of its subscription), so
 * that two deployments in one group are noticed before either has half of the other's events.
 */
import { consumerError } from "./errors.ts";
import type { KafkaAdminClient } from "./kafka-types.ts";

export interface GroupMember {
  readonly clientId: string;
  readonly host: string;
  /** Absent where it does not say: another program, or a member of which nothing is known while the group rebalances. */
  readonly owner?: string | undefined;
}

const signature = "unstale/1 ";

export function signedAs(owner: string): Buffer {
  return Buffer.from(signature + owner);
}

/** Of the subscription that a member joined with: version, topics, user data. Absent where it says nothing of the kind. */
export function ownerIn(subscription: Buffer): string | undefined {
  try {
    let at = 2;
    const topics = subscription.readInt32BE(at);
    at += 4;
    for (let index = 0; index < topics; index += 1) at += 2 + subscription.readInt16BE(at);
    const length = subscription.readInt32BE(at);
    const data = subscription.subarray(at + 4, at + 4 + Math.max(0, length)).toString("utf8");
    return data.startsWith(signature) ? data.slice(signature.length) : undefined;
  } catch {
    // Bytes of some other program: it does not say.
    return undefined;
  }
}

/**
 * Members that work for somebody else.
 * @throws UnstaleError retryable, while the group hands out its partitions anew and tells nothing of its members
 */
export async function strangersIn(
  admin: Pick<KafkaAdminClient, "describeGroup">,
  groupId: string,
  owner: string,
): Promise<readonly GroupMember[]> {
  const { state, members } = await admin.describeGroup(groupId);
  if (state !== "Stable") {
    throw consumerError("UNSTALE_KAFKA_REQUEST_FAILED", `Group ${groupId} is ${state}; who is in it is not known yet.`);
  }
  return members.filter((member) => member.owner !== owner);
}

export function sharedGroup(groupId: string, owner: string, strangers: readonly GroupMember[]): Error {
  const named = strangers.map(({ clientId, host, owner: other }) => {
    const whom = other === undefined ? "is no unstale of this version" : `works for deployment ${other}`;
    return `${clientId} at ${host.replace(/^\//, "")} ${whom}`;
  });
  return consumerError(
    "UNSTALE_KAFKA_GROUP_SHARED",
    `Group ${groupId} is used by somebody else: ${named.slice(0, 3).join("; ")}; this worker works for deployment ${owner}. ` +
      "Each would see only a part of the events. Give each deployment a group of its own (UNSTALE_KAFKA_GROUP_ID), " +
      "or all workers of a group the same Valkey (UNSTALE_VALKEY_URL).",
    { details: { group: groupId, strangers: strangers.length } },
  );
}
