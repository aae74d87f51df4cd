import {
  type KafkaHandle,
  type Progress,
  ServiceUnavailableError,
  startKafka,
  startValkey,
} from "../dev/services/index.ts";
import type { Bench, Lab } from "./bench.ts";
import type { Table } from "./report.ts";
import { openServer, serverConfig } from "./server.ts";

/** Between us and a container there is a proxy, which would be timed too: containers only where there is nothing else. */
function processesFirst<T>(start: (env: NodeJS.ProcessEnv) => Promise<T>): Promise<T> {
  if (process.env.UNSTALE_DOCKER !== undefined) return start(process.env);
  return start({ ...process.env, UNSTALE_DOCKER: "no" }).catch((error: unknown) => {
    if (error instanceof ServiceUnavailableError) return start(process.env);
    throw error;
  });
}

export interface LabOptions {
  readonly size: "full" | "smoke";
  /** Where the built programs are: `dist`. */
  readonly dist: string;
  readonly progress: Progress;
  /** Brokers of a Kafka that is there already. */
  readonly brokers?: () => readonly string[];
}

export interface OpenLab {
  run(bench: Bench): Promise<readonly Table[]>;
  /** What was found or started, one line each. */
  readonly services: readonly string[];
  close(): Promise<void>;
}

export function openLab({ size, dist, progress, brokers: given }: LabOptions): OpenLab {
  const services = new Set<string>();
  let started: Promise<KafkaHandle> | undefined;
  const brokers = async (): Promise<readonly string[]> => {
    if (given) return given();
    started ??= processesFirst((env) => startKafka({ progress, env }));
    const handle = await started;
    services.add(handle.chosen);
    return handle.brokers;
  };

  const run = async (bench: Bench): Promise<readonly Table[]> => {
    const cleanups: (() => Promise<void> | void)[] = [];
    const lab: Lab = {
      pick: (full, smoke) => (size === "full" ? full : smoke),
      valkey: async (config = []) => {
        const server = openServer(
          await processesFirst((env) =>
            startValkey({ progress, env, fresh: true, config: [...serverConfig, ...config] }),
          ),
        );
        services.add(server.chosen);
        cleanups.push(() => server.close());
        return server;
      },
      brokers,
      dist,
      say: (line) => progress(`${bench.name}: ${line}`, { transient: true }),
      onEnd: (cleanup) => void cleanups.push(cleanup),
    };
    try {
      return await bench.run(lab);
    } finally {
      for (const cleanup of cleanups.toReversed()) await cleanup();
    }
  };

  return {
    run,
    get services() {
      return [...services];
    },
    close: async () => {
      await (await started)?.stop();
    },
  };
}
