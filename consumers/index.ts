// From bytes to change events. What another room may import, in the order in which a reader meets it.

// What a change is, and the port through which changes come
export type {
  ChangeEvent,
  Decoded,
  DecodeFailure,
  Decoder,
  SourceRecord,
  Subscription,
} from "./change-event.ts";
export type {
  AssignedPartition,
  ChangeHandlers,
  ChangeSource,
  Gap,
  Partition,
  PartitionLag,
  PartitionOffset,
  PositionedChange,
  Slice,
  SliceOutcome,
  SourceNotice,
  StartPosition,
} from "./change-source.ts";
// Sources
export { createEmbeddedSource, type EmbeddedSource, type EmbeddedSourceOptions } from "./embedded-source.ts";
// Errors and logs
export { consumerErrors } from "./errors.ts";
export { type Reaction, reactions, reactionTo } from "./failure.ts";
// Kafka for the command line: sending changes, asking about topics and groups
export {
  type ChangeProducer,
  createChangeProducer,
  createKafkaAdmin,
  createLogReader,
  type KafkaAdmin,
  type KafkaToolOptions,
  type LogReading,
} from "./kafka-publisher.ts";
export type { LogPage, LogRange } from "./kafka-reader.ts";
export { createKafkaSource, defaultConsumerTuning, type KafkaSourceOptions } from "./kafka-source.ts";
export type { CommittedOffset, ConsumerTuning, KafkaConnection, LogBounds, OutgoingRecord } from "./kafka-types.ts";
export { type Log, silentLog } from "./log.ts";
// Topics, their formats and policies
export { createSubscriptions, deadLetterTopic, formats, type Subscriptions } from "./subscriptions.ts";
export { defaultSupervision, type SupervisionPolicy } from "./supervision.ts";
export { defaultTuning, type Tuning } from "./tuning.ts";
