import { ServiceUnavailableError, startKafka, startValkey, terminalProgress } from "./index.ts";

// `npm run services`: both services, until Ctrl-C. Only the exports go to standard output.
const progress = terminalProgress();
const starts = [startValkey({ progress }), startKafka({ progress })] as const;
try {
  const [valkey, kafka] = await Promise.all(starts);
  console.log(`export UNSTALE_VALKEY_URL=${valkey.url}`);
  console.log(`export UNSTALE_KAFKA_BROKERS=${kafka.brokers.join(",")}`);
  progress("Running until Ctrl-C.");
  await new Promise<void>((resolve) => {
    const keepAlive = setInterval(() => {}, 2 ** 30);
    const end = () => {
      clearInterval(keepAlive);
      resolve();
    };
    process.once("SIGINT", end).once("SIGTERM", end);
  });
} catch (error) {
  if (!(error instanceof ServiceUnavailableError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  const started = await Promise.allSettled(starts);
  await Promise.all(started.map((start) => (start.status === "fulfilled" ? start.value.stop() : undefined)));
}
