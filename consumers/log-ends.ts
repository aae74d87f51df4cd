import type { PartitionOffset } from "./change-source.ts";
import type { KafkaClient, KafkaLogEnds } from "./kafka-types.ts";

/**
 * Asks Kafka where logs end, on connections of its own: behind the consumer's long polls each answer would take half a
 * second. A client that failed is thrown away, and the next question makes a new one.
 */
export class LogEnds {
  readonly #createClient: () => KafkaClient;
  #open: { readonly client: KafkaClient; readonly ready: Promise<KafkaLogEnds> } | undefined;

  constructor(createClient: () => KafkaClient) {
    this.#createClient = createClient;
  }

  /** Rejects with an `UnstaleError` when it cannot be known. */
  async of(topics: readonly string[]): Promise<readonly PartitionOffset[]> {
    this.#open ??= this.#connect();
    const { ready } = this.#open;
    try {
      return await (await ready).ends(topics);
    } catch (error) {
      if (this.#open?.ready === ready) this.close();
      throw error;
    }
  }

  /** Cuts the connections; questions under way fail. */
  close(): void {
    this.#open?.client.destroy();
    this.#open = undefined;
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
