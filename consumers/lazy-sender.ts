import type { KafkaProducer, RecordSender } from "./kafka-types.ts";

export interface LazySender extends RecordSender {
  close(): Promise<void>;
}

/** Connects with the first record: most workers never write a dead letter. */
export function createLazySender(create: () => KafkaProducer): LazySender {
  let connected: Promise<KafkaProducer> | undefined;
  const connect = async (): Promise<KafkaProducer> => {
    const producer = create();
    await producer.connect();
    return producer;
  };
  return {
    send: async (topic, records) => {
      connected ??= connect();
      const producer = await connected.catch((error) => {
        connected = undefined;
        throw error;
      });
      return await producer.send(topic, records);
    },
    close: async () => {
      const producer = await connected?.catch(() => undefined);
      await producer?.disconnect();
    },
  };
}
