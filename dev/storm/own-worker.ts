import { OwnedProcess } from "../services/owned-process.ts";
import { freePort } from "../services/ports.ts";
import { openScratch } from "../services/scratch.ts";

export interface OwnWorkerOptions {
  /** The built command: `dist/worker/main.js`. */
  readonly command: string;
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly groupId: string;
  readonly valkeyUrl: string;
}

/** `unstale run` as it ships, in a process of its own; resolves when it is ready. */
export async function startOwnWorker(options: OwnWorkerOptions): Promise<OwnedProcess> {
  const port = await freePort();
  const settings = {
    UNSTALE_KAFKA_BROKERS: options.brokers.join(","),
    UNSTALE_KAFKA_TOPICS: JSON.stringify([{ name: options.topic, format: "json", wide: true }]),
    UNSTALE_KAFKA_GROUP_ID: options.groupId,
    UNSTALE_VALKEY_URL: options.valkeyUrl,
    UNSTALE_HTTP_PORT: String(port),
    OTEL_SDK_DISABLED: "true",
  };
  // What else the caller's environment says to a worker is not meant for this one.
  const foreign = Object.keys(process.env).filter((name) => /^(UNSTALE|OTEL)_/.test(name));
  return OwnedProcess.start({
    name: "unstale run",
    command: "env",
    args: [
      ...foreign.flatMap((name) => ["-u", name]),
      ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
      process.execPath,
      options.command,
      "run",
    ],
    scratch: await openScratch("storm-worker"),
    probe: async () => {
      const response = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2_000) });
      if (!response.ok) throw new Error(`not ready: ${await response.text()}`);
    },
    startTimeoutMs: 60_000,
  });
}
