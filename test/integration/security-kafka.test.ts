// The built worker and its commands against a broker that wants TLS, logins and client certificates.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import { deleteScramUser, type KafkaHandle, setScramUsers, type ValkeyHandle } from "../../dev/services/index.ts";
import { createAuthority } from "../support/certificates.ts";
import { type KafkaScene, openKafkaScene } from "../support/kafka-scene.ts";
import { loginProperties, tlsProperties } from "../support/secure-kafka.ts";
import { describeWith, ownFolder, ownKafka, ownValkey } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";
import { endAll, metric, startUnstale, unstale } from "./worker-process.ts";

jest.setTimeout(120_000);

const password = "Pa55-of-the-worker";
const authority = createAuthority("The brokers' authority");
const stranger = createAuthority("Somebody else's authority");
const hosts = ["localhost", "127.0.0.1"];
const server = authority.issue({ name: "broker", hosts });
const elsewhere = authority.issue({ name: "broker", hosts: ["kafka.example.com"] });
const expired = authority.issue({ name: "broker", hosts, expired: true });
const client = authority.issue({ name: "worker" });

type Env = Readonly<Record<string, string>>;

afterEach(endAll);

describeWith(["kafka", "valkey"], "a worker and a Kafka that wants to know who comes", () => {
  let kafka: KafkaHandle;
  let valkey: ValkeyHandle;
  let scene: KafkaScene;
  let files: string;

  beforeAll(async () => {
    const logins = loginProperties({ worker: password, nobody: password });
    [kafka, valkey, files] = await Promise.all([
      ownKafka({
        properties: {
          "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
          "super.users": "User:ANONYMOUS;User:worker;User:CN=worker",
        },
        listeners: [
          { name: "LOGIN", protocol: "SASL_PLAINTEXT", properties: logins },
          {
            name: "SECURE",
            protocol: "SASL_SSL",
            host: "localhost",
            properties: { ...logins, ...tlsProperties(server) },
          },
          { name: "MUTUAL", protocol: "SSL", properties: tlsProperties(server, authority) },
          { name: "ELSEWHERE", protocol: "SSL", properties: tlsProperties(elsewhere) },
          { name: "EXPIRED", protocol: "SSL", properties: tlsProperties(expired) },
          // kafkajs logs in anew 10 s before it has to.
          { name: "HASTY", protocol: "SASL_PLAINTEXT", properties: { ...logins, "connections.max.reauth.ms": 13_000 } },
        ],
      }),
      ownValkey(),
      ownFolder(),
    ]);
    const name = "worker";
    await setScramUsers(kafka.brokers[0] ?? "", [
      { mechanism: "SCRAM-SHA-256", name, password },
      { mechanism: "SCRAM-SHA-512", name, password },
    ]);
    scene = await openKafkaScene({ brokers: kafka.brokers });
    // The producer of this scene stays: it connects here, and not in a test that would be told of an open connection.
    await scene.admin.createTopics({ topics: [{ topic: `${scene.topic}.other` }] });
    await scene.send(["anything"], `${scene.topic}.other`);
    await writeFile(join(files, "ca.pem"), authority.certPem);
    await writeFile(join(files, "client.pem"), client.certPem);
    await writeFile(join(files, "client-key.pem"), client.keyPem);
    await writeFile(join(files, "password"), `${password}\n`);
  });
  afterAll(() => scene.close());

  const settings = (listener: string, more: Env = {}): Env => ({
    UNSTALE_KAFKA_BROKERS: kafka.listeners[listener] ?? "",
    UNSTALE_KAFKA_TOPICS: scene.topic,
    UNSTALE_KAFKA_GROUP_ID: scene.groupId,
    UNSTALE_KAFKA_SESSION_TIMEOUT: "2s",
    UNSTALE_KAFKA_HEARTBEAT_INTERVAL: "300ms",
    UNSTALE_VALKEY_URL: valkey.url,
    UNSTALE_HTTP_PORT: "0",
    ...more,
  });
  const login = (mechanism: string, more: Env = {}): Env => ({
    UNSTALE_KAFKA_SASL_MECHANISM: mechanism,
    UNSTALE_KAFKA_SASL_USERNAME: "worker",
    UNSTALE_KAFKA_SASL_PASSWORD: password,
    ...more,
  });
  const tls = (more: Env = {}): Env => ({
    UNSTALE_KAFKA_SSL: "true",
    UNSTALE_KAFKA_SSL_CA_FILE: join(files, "ca.pem"),
    ...more,
  });
  const certificate = (): Env => ({
    UNSTALE_KAFKA_SSL_CERT_FILE: join(files, "client.pem"),
    UNSTALE_KAFKA_SSL_KEY_FILE: join(files, "client-key.pem"),
  });

  test.each<{ name: string; env: () => Env }>([
    { name: "PLAIN over TLS", env: () => settings("SECURE", { ...tls(), ...login("plain") }) },
    { name: "SCRAM-SHA-256 over TLS", env: () => settings("SECURE", { ...tls(), ...login("scram-sha-256") }) },
    {
      name: "SCRAM-SHA-512 over TLS, password from a file",
      env: () => {
        const { UNSTALE_KAFKA_SASL_PASSWORD: _, ...rest } = login("scram-sha-512");
        return settings("SECURE", { ...tls(), ...rest, UNSTALE_KAFKA_SASL_PASSWORD_FILE: join(files, "password") });
      },
    },
    { name: "SCRAM-SHA-512 without TLS", env: () => settings("LOGIN", login("scram-sha-512")) },
    { name: "a client certificate", env: () => settings("MUTUAL", { ...tls(), ...certificate() }) },
  ])("$name: the worker gets in and applies what comes; doctor is content", async ({ env }) => {
    const worker = startUnstale(["run"], env());
    await worker.ready();
    await scene.send([{ key: null, value: '{"id": "article:1"}' }]);
    await waitFor(async () => (await metric(worker, "unstale_worker_documents_total")) === 1);
    const { code, stdout } = await unstale(["doctor"], env());
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^ok +kafka +cluster/m) });
    worker.kill("SIGTERM");
    expect((await worker.ended).code).toBe(0);
  });

  interface Refusal {
    readonly name: string;
    readonly env: () => Env;
    readonly says: RegExp;
  }

  const refusals: readonly Refusal[] = [
    {
      name: "a wrong password (PLAIN)",
      env: () => settings("LOGIN", login("plain", { UNSTALE_KAFKA_SASL_PASSWORD: "no" })),
      says: /refused the credentials; check mechanism, user name and password/,
    },
    {
      name: "a wrong password (SCRAM)",
      env: () => settings("SECURE", { ...tls(), ...login("scram-sha-256", { UNSTALE_KAFKA_SASL_PASSWORD: "no" }) }),
      says: /refused the credentials; check mechanism, user name and password/,
    },
    {
      name: "an unknown user",
      env: () => settings("LOGIN", login("scram-sha-512", { UNSTALE_KAFKA_SASL_USERNAME: "who" })),
      says: /refused the credentials/,
    },
    {
      name: "an unknown authority",
      env: () => settings("SECURE", { ...tls(), ...login("plain"), ...foreignAuthority() }),
      says: /not trusted; give the authority that signed it/,
    },
    {
      name: "a certificate for another host",
      env: () => settings("ELSEWHERE", tls()),
      says: /certificate is for another host; use a name that stands in it/,
    },
    {
      name: "an expired certificate",
      env: () => settings("EXPIRED", tls()),
      says: /not valid today; renew it/,
    },
    {
      name: "no client certificate",
      env: () => settings("MUTUAL", tls()),
      says: /refused our client certificate, or wants one/,
    },
  ];

  test.each(refusals)("$name: one line that says what to do, and exit code 1", async ({ env, says }) => {
    const run = await unstale(["run"], env());
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code: 1, stderr: "" });
    const fatal = run.stdout.split("\n").filter((line) => line.includes('"level":"fatal"'));
    expect(fatal).toHaveLength(1);
    const { err } = JSON.parse(fatal[0] ?? "") as { err: { code: string; message: string; stack?: string } };
    expect(err).toEqual(expect.not.objectContaining({ stack: expect.anything() }));
    expect(err).toMatchObject({ code: "UNSTALE_KAFKA_AUTHENTICATION", message: expect.stringMatching(says) });
    expect(err.message).not.toContain("\n");
    await doctorSays(env(), says);
  });

  test.each<Refusal>([
    { name: "no login where one is wanted", env: () => settings("LOGIN"), says: /hung up; .*wants TLS or a login/ },
    {
      name: "TLS where there is none",
      env: () => settings("LOGIN", { ...tls(), ...login("plain") }),
      says: /does not answer in TLS/,
    },
    {
      name: "no TLS where there is",
      env: () => settings("SECURE", login("plain")),
      says: /hung up; .*wants TLS or a login/,
    },
    {
      name: "a topic that this user may not see",
      env: () => settings("LOGIN", login("plain", { UNSTALE_KAFKA_SASL_USERNAME: "nobody" })),
      says: /does not exist/,
    },
  ])("$name: may be an outage, so it waits, and says so", async ({ env, says }) => {
    const worker = startUnstale(["run"], env());
    await waitFor(async () => says.test((await worker.get("/readyz?verbose")).text));
    expect((await worker.get("/livez")).status).toBe(200);
    worker.kill("SIGTERM");
    expect((await worker.ended).code).toBe(0);
    await doctorSays(env(), says);
  });

  test("credentials revoked while it runs: it says so, stays unready, and is back when they are", async () => {
    const user = { mechanism: "SCRAM-SHA-512", name: "worker", password } as const;
    const worker = startUnstale(["run"], settings("HASTY", login("scram-sha-512")));
    await worker.ready();
    await deleteScramUser(kafka.brokers[0] ?? "", user);
    await waitFor(async () => (await worker.get("/readyz?verbose")).text.includes("refused the credentials"));
    expect((await worker.get("/livez")).status).toBe(200);
    await setScramUsers(kafka.brokers[0] ?? "", [user]);
    await worker.ready();
    await scene.send([{ key: null, value: '{"id": "article:1"}' }]);
    await waitFor(async () => (await metric(worker, "unstale_worker_documents_total")) === 1);
  });
});

function foreignAuthority(): Env {
  return { UNSTALE_KAFKA_SSL_CA_FILE: "", UNSTALE_KAFKA_SSL_CA: stranger.certPem };
}

async function doctorSays(env: Env, says: RegExp): Promise<void> {
  const { code, stdout, stderr } = await unstale(["doctor"], env);
  expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
  const failed = stdout.split("\n").filter((line) => line.startsWith("FAIL"));
  expect(failed).toEqual([expect.stringMatching(says)]);
  expect(failed[0]).toContain(" -> ");
}
