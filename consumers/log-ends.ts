import type { Clock } from "@unstale/cache-core";
import type { PartitionOffset } from "./change-source.ts";
import { within } from "./deadline.ts";
import type { KafkaClient, KafkaLogEnds } from "./kafka-types.ts";

const closeTimeoutMs = 1_000;

/**
 * Asks Kafka where logs end, on connections of its own: behind the consumer's long polls each answer would take half a
 * second. A client that failed is thrown away, and the next question makes a new one.
 */
export class LogEnds {
  readonly #createClient: () => KafkaClient;
  readonly #clock: Clock;
  #open: { readonly client: KafkaClient; readonly ready: Promise<KafkaLogEnds> } | undefined;

  constructor(createClient: () => KafkaClient, clock: Clock) {
    this.#createClient = createClient;
    this.#clock = clock;
  }

  /** Rejects with an `UnstaleError` when it cannot be known. */
  async of(topics: readonly string[]): Promise<readonly PartitionOffset[]> {
    this.#open ??= this.#connect();
    const { ready } = this.#open;
    try {
      return await (await ready).ends(topics);
    } catch (error) {
      if (this.#open?.ready === ready) void this.close();
      throw error;
    }
  }

  /** Questions under way have a moment, and fail then. Never rejects. */
  async close(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    this.#open = undefined;
    const left = open.ready.then((ends) => ends.disconnect()).catch(() => undefined);
    await within(left, closeTimeoutMs, undefined, this.#clock);
    open.client.destroy();
  }

  #connect(): { readonly client: KafkaClient; readonly ready: Promise<KafkaLogEnds> } {
    const client = this.#createClient();
    const ends = client.logEnds();
    const ready = ends.connect().then(() => ends);
    // Whoever asked hears of it.
    ready.catch(() => undefined);
    return { client, ready };
  }
}
