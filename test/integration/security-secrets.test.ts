// A recognisable secret in every place that takes one, everything turned up to trace, everything failing: none of them is
// in anything that was printed, served or exported.
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import type { ValkeyHandle } from "../../dev/services/index.ts";
import { createAuthority } from "../support/certificates.ts";
import { openKafkaScene } from "../support/kafka-scene.ts";
import { describeWith, ownFolder, ownValkey, sharedKafkaBrokers, uniqueName } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";
import { endAll, startUnstale, unstale } from "./worker-process.ts";

jest.setTimeout(120_000);
afterEach(endAll);

const authority = createAuthority("authority");
const client = authority.issue({ name: "client" });
const secrets = {
  valkey: "s3cret-of-valkey/+?",
  kafka: "s3cret-of-kafka",
  stray: "s3cret-in-the-wrong-place",
};
/** What would give a secret away, in any spelling that programs put it into. */
const betrayals = [
  ...Object.values(secrets).flatMap((secret) => [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString("base64").replace(/=+$/, "").slice(0, -1),
  ]),
  // A line out of the middle of the key.
  client.keyPem.split("\n")[1] ?? "",
];

type Env = Readonly<Record<string, string>>;

describeWith(["kafka", "valkey"], "secrets", () => {
  let valkey: ValkeyHandle;
  let files: string;

  beforeAll(async () => {
    [valkey, files] = await Promise.all([ownValkey({ config: ["requirepass other"] }), ownFolder()]);
    await writeFile(join(files, "valkey-url"), `${withLogin(valkey)}\n`);
    await writeFile(join(files, "kafka-password"), secrets.kafka);
    await writeFile(join(files, "key.pem"), client.keyPem);
  });

  const address = ({ host, port }: ValkeyHandle): string => `${host}:${port}`;
  const withLogin = (handle: ValkeyHandle): string =>
    `redis://ann:${encodeURIComponent(secrets.valkey)}@${address(handle)}`;
  const kafka = (more: Env = {}): Env => ({
    UNSTALE_KAFKA_BROKERS: sharedKafkaBrokers().join(","),
    UNSTALE_KAFKA_TOPICS: uniqueName("secrets"),
    UNSTALE_KAFKA_SASL_MECHANISM: "plain",
    UNSTALE_KAFKA_SASL_USERNAME: "ann",
    UNSTALE_KAFKA_SASL_PASSWORD: secrets.kafka,
    UNSTALE_LOG_LEVEL: "trace",
    UNSTALE_HTTP_PORT: "0",
    ...more,
  });

  const places: readonly { readonly name: string; readonly env: () => Env }[] = [
    { name: "in the URL", env: () => kafka({ UNSTALE_VALKEY_URL: withLogin(valkey) }) },
    {
      name: "in settings of their own",
      env: () => kafka({ UNSTALE_VALKEY_URL: `redis://${address(valkey)}`, UNSTALE_VALKEY_PASSWORD: secrets.valkey }),
    },
    {
      name: "in files",
      env: () => {
        const { UNSTALE_KAFKA_SASL_PASSWORD: _, ...rest } = kafka();
        const passwordFile = { UNSTALE_KAFKA_SASL_PASSWORD_FILE: join(files, "kafka-password") };
        return { ...rest, ...passwordFile, UNSTALE_VALKEY_URL_FILE: join(files, "valkey-url") };
      },
    },
    {
      name: "as a key, of a client that speaks TLS to a Kafka that does not",
      env: () =>
        kafka({
          UNSTALE_VALKEY_URL: withLogin(valkey),
          UNSTALE_KAFKA_SSL: "true",
          UNSTALE_KAFKA_SSL_CERT: client.certPem,
          UNSTALE_KAFKA_SSL_KEY_FILE: join(files, "key.pem"),
        }),
    },
  ];

  test.each(places)("$name: no command prints them", async ({ env }) => {
    const commands = [
      ["run"],
      ["config", "--json"],
      ["doctor"],
      ["invalidate", "--direct", "article:1"],
      ["invalidate", "article:1", "--json", "--timeout", "1"],
    ];
    for (const args of commands) {
      const { stdout, stderr } = await unstale(args, env());
      expect({ args, leaked: leaksIn(stdout + stderr) }).toEqual({ args, leaked: [] });
    }
  });

  test("a worker that runs and then fails neither logs, serves nor exports them", async () => {
    const exported: string[] = [];
    const collector = createServer((request, response) => {
      request.setEncoding("utf8").on("data", (text: string) => exported.push(text));
      request.on("end", () => response.end("{}"));
    });
    await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve));
    const { port } = collector.address() as AddressInfo;
    const [open, scene] = await Promise.all([
      ownValkey({ config: [`user ann on >${secrets.valkey} ~* &* +@all`] }),
      openKafkaScene(),
    ]);
    const worker = startUnstale(["run"], {
      UNSTALE_KAFKA_BROKERS: scene.brokers.join(","),
      UNSTALE_KAFKA_TOPICS: scene.topic,
      UNSTALE_KAFKA_GROUP_ID: scene.groupId,
      UNSTALE_VALKEY_URL: withLogin(open),
      UNSTALE_HTTP_PORT: "0",
      UNSTALE_LOG_LEVEL: "trace",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    });
    const served = async (): Promise<string> =>
      (
        await Promise.all(["/readyz?verbose", "/livez", "/metrics"].map(async (path) => (await worker.get(path)).text))
      ).join();
    await worker.ready();
    await scene.send(['{"id":"article:1"}']);
    await waitFor(async () => (await scene.committed())[0] === 1n);
    await open.kill();
    await scene.send(['{"id":"article:2"}']);
    await waitFor(async () => (await served()).includes("[-]valkey failed"));
    const text = await served();
    worker.kill("SIGTERM");
    const { stdout, stderr } = await worker.ended;
    await scene.close();
    await new Promise((resolve) => collector.close(resolve));
    expect(exported.join("")).toContain('"name":"invalidate"');
    expect(leaksIn(stdout + stderr + text + exported.join(""))).toEqual([]);
    expect(stdout).toContain('"level":"warn"');
  });

  test.each<{ name: string; env?: Env; args?: readonly string[]; file?: string }>([
    { name: "a URL of another scheme", env: { UNSTALE_VALKEY_URL: `http://ann:${secrets.stray}@h` } },
    { name: "no URL at all", env: { UNSTALE_VALKEY_URL: secrets.stray } },
    { name: "a key that is no PEM", env: { UNSTALE_KAFKA_SSL_KEY: secrets.stray } },
    { name: "a password without its user", env: { UNSTALE_KAFKA_SASL_PASSWORD: secrets.stray } },
    { name: "a file that is not there", env: { UNSTALE_VALKEY_PASSWORD_FILE: "/nowhere" } },
    {
      name: "both at once",
      env: { UNSTALE_VALKEY_URL: `redis://:${secrets.stray}@h`, UNSTALE_VALKEY_PASSWORD: secrets.stray },
    },
    { name: "a flag", args: ["--set", `kafka.sasl.password=${secrets.stray}`] },
    { name: "a flag of the wrong name", args: ["--set", `valkey.pasword=${secrets.stray}`] },
    { name: "a variable of the wrong name", env: { UNSTALE_VALKEY_PASWORD: secrets.stray } },
    { name: "a list in the file", file: `valkey: { password: [${secrets.stray}] }` },
    { name: "another name in the file", file: `valkey: { pasword: ${secrets.stray} }` },
    { name: "a file that is no YAML", file: `valkey: { password: "${secrets.stray}` },
  ])("a mistake does not print them: $name", async ({ env = {}, args = [], file }) => {
    const path = join(files, "unstale.yaml");
    await writeFile(path, file ?? "");
    for (const command of ["run", "config"]) {
      const ended = await unstale([command, ...args, ...(file === undefined ? [] : ["--config", path])], env);
      expect(ended.code).toBe(2);
      expect(ended.stdout + ended.stderr).not.toContain(secrets.stray);
    }
  });
});

function leaksIn(text: string): string[] {
  return betrayals.filter((betrayal) => text.includes(betrayal));
}
