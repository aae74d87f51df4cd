// The built worker with the rights of docs/security.md and no others, over TLS, on a real Kafka and Valkey.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, jest, test } from "@jest/globals";
import { SmartCache } from "@unstale/cache-core";
import kafkajs, { type AclEntry } from "kafkajs";
import { type KafkaHandle, setScramUsers, type ValkeyHandle } from "../../dev/services/index.ts";
import { freePort } from "../../dev/services/ports.ts";
import { createAuthority } from "../support/certificates.ts";
import { documentedBlock, documentedUser } from "../support/documented-rights.ts";
import { type KafkaScene, openKafkaScene } from "../support/kafka-scene.ts";
import { loginProperties, tlsProperties } from "../support/secure-kafka.ts";
import { describeWith, ownFolder, ownKafka, ownValkey } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";
import { endAll, startUnstale, unstale } from "./worker-process.ts";

jest.setTimeout(120_000);
afterEach(endAll);

const password = "Pa55-of-the-worker";
const authority = createAuthority("The operators' authority");
const server = authority.issue({ name: "server", hosts: ["localhost", "127.0.0.1"] });

type Env = Readonly<Record<string, string>>;

describeWith(["kafka", "valkey"], "a worker with no more rights than it needs", () => {
  let kafka: KafkaHandle;
  let valkey: ValkeyHandle;
  let scene: KafkaScene;
  let files: string;
  let tlsPort: number;

  beforeAll(async () => {
    [files, tlsPort] = await Promise.all([ownFolder(), freePort()]);
    await Promise.all([
      writeFile(join(files, "ca.pem"), authority.certPem),
      writeFile(join(files, "stranger.pem"), createAuthority("Somebody else's").certPem),
      writeFile(join(files, "server.pem"), server.certPem),
      writeFile(join(files, "server-key.pem"), server.keyPem),
    ]);
    [kafka, valkey] = await Promise.all([
      ownKafka({
        properties: {
          "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
          "super.users": "User:ANONYMOUS",
        },
        listeners: [
          {
            name: "SECURE",
            protocol: "SASL_SSL",
            host: "localhost",
            properties: { ...loginProperties(), ...tlsProperties(server) },
          },
        ],
      }),
      ownValkey({
        config: [
          `tls-port ${tlsPort}`,
          `tls-cert-file "${join(files, "server.pem")}"`,
          `tls-key-file "${join(files, "server-key.pem")}"`,
          `tls-ca-cert-file "${join(files, "ca.pem")}"`,
          "tls-auth-clients no",
          documentedUser("worker", password).slice(2).join(" ").replace(/^/, "user "),
        ],
      }),
    ]);
    scene = await openKafkaScene({ brokers: kafka.brokers });
    const [letters, other] = [`${scene.topic}.dlq`, `${scene.topic}.other`];
    await scene.admin.createTopics({ topics: [{ topic: letters }, { topic: other }] });
    // The producer of this scene stays: it connects here, and not in a test that would be told of an open connection.
    await scene.send(["anything"], other);
    await setScramUsers(kafka.brokers[0] ?? "", [{ mechanism: "SCRAM-SHA-512", name: "unstale-worker", password }]);
    const rules = documentedBlock("kafka-worker").flatMap((line) => rulesOf(line, scene));
    await scene.admin.createAcls({ acl: rules });
  });
  afterAll(() => scene.close());

  const settings = (more: Env = {}): Env => ({
    UNSTALE_KAFKA_BROKERS: kafka.listeners.SECURE ?? "",
    UNSTALE_KAFKA_TOPICS: scene.topic,
    UNSTALE_KAFKA_GROUP_ID: scene.groupId,
    UNSTALE_KAFKA_SSL: "true",
    UNSTALE_KAFKA_SSL_CA_FILE: join(files, "ca.pem"),
    UNSTALE_KAFKA_SASL_MECHANISM: "scram-sha-512",
    UNSTALE_KAFKA_SASL_USERNAME: "unstale-worker",
    UNSTALE_KAFKA_SASL_PASSWORD: password,
    UNSTALE_VALKEY_URL: `rediss://localhost:${tlsPort}`,
    UNSTALE_VALKEY_USERNAME: "unstale-worker",
    UNSTALE_VALKEY_PASSWORD: password,
    UNSTALE_VALKEY_TLS_CA_FILE: join(files, "ca.pem"),
    UNSTALE_HTTP_PORT: "0",
    ...more,
  });

  test("applies events, writes dead letters, commits, and doctor is content", async () => {
    const worker = startUnstale(["run"], settings());
    await worker.ready();
    const cache = new SmartCache({ valkey: valkey.url });
    await cache.getOrSet("question", () => "answer", { sources: ["article:1"] });
    await scene.send(['{"id":"article:1"}', "not json"]);
    await waitFor(async () => !(await cache.get("question", {})).hit);
    await waitFor(async () => (await scene.committed())[0] === 2n);
    expect((await scene.deadLetters(1)).map(({ value }) => String(value))).toEqual(["not json"]);
    const { code, stdout } = await unstale(["doctor"], settings());
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.not.stringMatching(/^FAIL/m) });
    await cache.close();
  });

  test("a certificate of Valkey that nobody vouches for: it waits, and says so; doctor too", async () => {
    const env = settings({ UNSTALE_VALKEY_TLS_CA_FILE: join(files, "stranger.pem") });
    const worker = startUnstale(["run"], env);
    await waitFor(async () => /\[-\]valkey failed: .*certificate/.test((await worker.get("/readyz?verbose")).text));
    const { code, stdout } = await unstale(["doctor"], env);
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringMatching(/^FAIL +valkey .*certificate.* -> /m) });
  });
});

/** A `kafka-acls.sh --add` of the page, for the topic and group of this test. */
function rulesOf(line: string, { topic, groupId }: KafkaScene): AclEntry[] {
  const all = (name: string): string[] =>
    [...line.matchAll(new RegExp(`--${name} (\\S+)`, "g"))].map(([, value]) => value ?? "");
  const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;
  const operations: Readonly<Record<string, number>> = {
    Describe: AclOperationTypes.DESCRIBE,
    Read: AclOperationTypes.READ,
    Write: AclOperationTypes.WRITE,
    DescribeConfigs: AclOperationTypes.DESCRIBE_CONFIGS,
  };
  const [onTopic] = all("topic");
  return all("operation").map((operation) => ({
    principal: all("allow-principal")[0] ?? "",
    host: "*",
    permissionType: AclPermissionTypes.ALLOW,
    operation: operations[operation] ?? Number.NaN,
    resourcePatternType: ResourcePatternTypes.LITERAL,
    ...(onTopic === undefined
      ? { resourceType: AclResourceTypes.GROUP, resourceName: groupId }
      : { resourceType: AclResourceTypes.TOPIC, resourceName: onTopic.replace("cms.documents", topic) }),
  }));
}
