// How the setup of a run tells the test files where the services are, or why they are not there.
export type ServiceName = "valkey" | "kafka";

export const ADDRESS = { valkey: "UNSTALE_TEST_VALKEY_URL", kafka: "UNSTALE_TEST_KAFKA_BROKERS" } as const;
export const MISSING = { valkey: "UNSTALE_TEST_VALKEY_MISSING", kafka: "UNSTALE_TEST_KAFKA_MISSING" } as const;

/** Shared by all test files, which may run at the same time: never flush it, never count its keys. */
export function sharedValkeyUrl(): string {
  return address("valkey");
}

/** Shared by all test files: name topics and groups with `uniqueName()`. */
export function sharedKafkaBrokers(): string[] {
  return address("kafka").split(",");
}

function address(service: ServiceName): string {
  const value = process.env[ADDRESS[service]];
  if (value === undefined) {
    const reason = process.env[MISSING[service]] ?? "This test does not run in the jest project `integration`.";
    throw new Error(`Expected ${ADDRESS[service]} to be set by the setup of the run. ${reason}`);
  }
  return value;
}
