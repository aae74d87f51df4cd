// Half of Kafka's start is the loading of its classes. The JVM can keep them in an archive, written once, when a first
// Kafka ends; every later start is twice as fast. A JVM that cannot, or for which the archive does not fit, does without.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cached, cacheFolder } from "./cache-folder.ts";
import { KAFKA_VERSION, type KafkaInstall } from "./kafka-install.ts";
import { startKafkaNode } from "./kafka-node.ts";
import type { Progress } from "./progress.ts";

export interface ClassArchiveOptions {
  readonly install: KafkaInstall;
  readonly env: NodeJS.ProcessEnv;
  readonly progress: Progress;
}

const FILE = "classes.jsa";

/** Options of the JVM that make it start faster, or none. */
export async function classArchive({ install, env, progress }: ClassArchiveOptions): Promise<string[]> {
  const folder = await cached({
    folder: cacheFolder(env),
    item: `kafka-${KAFKA_VERSION}-java-${install.javaVersion}`,
    progress: (line) => progress(`Kafka: ${line}`),
    build: async (partial) => {
      progress("Kafka: a first start, to make all later ones faster (once) …");
      const jvm = [`-XX:ArchiveClassesAtExit=${join(partial, FILE)}`];
      const { server } = await startKafkaNode({ install, jvm });
      await server.finish();
      await server.stop();
    },
  });
  const archive = join(folder, FILE);
  return existsSync(archive) ? [`-XX:SharedArchiveFile=${archive}`] : [];
}
