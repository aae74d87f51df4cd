import { inspect } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { type Loaded, type LoadInput, loadConfig } from "../../../config/load.ts";
import type { Problem } from "../../../config/problem.ts";
import { Secret } from "../../../config/secret.ts";
import type { Config } from "../../../config/settings.ts";
import { showConfig } from "../../../config/shown.ts";

const files: Readonly<Record<string, string>> = {
  "/run/secrets/password": "s3cret\n",
  "/run/secrets/padded": " s3cret \n\n",
};

function load(input: Partial<LoadInput> & { readonly yaml?: string } = {}): Loaded {
  const readFile = (path: string): string => {
    const text = files[path];
    if (text === undefined) throw new Error("ENOENT: no such file or directory");
    return text;
  };
  const file = input.yaml === undefined ? undefined : { path: "unstale.yaml", text: input.yaml };
  return loadConfig({ env: {}, readFile, file, ...input });
}

function configOf(loaded: Loaded): Config {
  if (loaded.kind === "problems") throw new Error(JSON.stringify(loaded.problems, undefined, 1));
  return loaded.config;
}

function problemsOf(loaded: Loaded): readonly Problem[] {
  if (loaded.kind === "config") throw new Error("expected problems");
  return loaded.problems;
}

describe("without any setting", () => {
  test("every default is valid and the result is frozen", () => {
    const config = configOf(load());
    expect(config.kafkaBrokers).toEqual(["127.0.0.1:9092"]);
    expect(config.kafkaTopics).toEqual([{ name: "cms.documents", format: "json", wide: false, onGap: "invalidate" }]);
    expect(config.valkeyUrl.reveal()).toBe("redis://127.0.0.1:6379");
    expect(config.kafkaSessionTimeoutMs).toBe(12_000);
    expect(config.httpPort).toBe(8085);
    for (const value of [config, config.kafkaBrokers, config.kafkaTopics, config.kafkaTopics[0]]) {
      expect(Object.isFrozen(value)).toBe(true);
    }
  });
});

describe("precedence", () => {
  test("flags win over the environment, that over the file, that over the defaults", () => {
    const yaml = "http: { port: 1001, host: 10.0.0.1 }\nkafka: { groupId: from-file }\ndrainTimeout: 7s\n";
    const loaded = load({
      yaml,
      env: { UNSTALE_HTTP_PORT: "1002", UNSTALE_KAFKA_GROUP_ID: "from-env" },
      flags: { "http.port": "1003" },
    });
    const config = configOf(loaded);
    expect(config).toMatchObject({
      httpPort: 1003,
      kafkaGroupId: "from-env",
      httpHost: "10.0.0.1",
      drainTimeoutMs: 7_000,
    });
    expect(loaded).toMatchObject({
      origins: { httpPort: "flag", kafkaGroupId: "environment", httpHost: "file", logLevel: "default" },
    });
  });

  test("an empty variable is absent", () => {
    expect(configOf(load({ env: { UNSTALE_HTTP_PORT: "" } })).httpPort).toBe(8085);
  });

  test("a flag may name the environment variable", () => {
    expect(configOf(load({ flags: { UNSTALE_LOG_LEVEL: "debug" } })).logLevel).toBe("debug");
  });
});

describe("topics", () => {
  test.each([
    [
      "a, b",
      [
        { name: "a", format: "json", wide: false, onGap: "invalidate" },
        { name: "b", format: "json", wide: false, onGap: "invalidate" },
      ],
    ],
    ['[{"name":"a","wide":true}]', [{ name: "a", format: "json", wide: true, onGap: "invalidate" }]],
    [
      '[{"name":"a","feeds":["docs:technical","faqs"],"onGap":"alert-only"}]',
      [{ name: "a", format: "json", wide: false, feeds: ["docs:technical", "faqs"], onGap: "alert-only" }],
    ],
  ])("the variable %s", (text, expected) => {
    expect(configOf(load({ env: { UNSTALE_KAFKA_TOPICS: text } })).kafkaTopics).toEqual(expected);
  });

  test("names and mappings stand together in the file", () => {
    const yaml = 'kafka:\n  topics:\n    - one\n    - { name: two, id: "{type}:{id}", wide: true }\n';
    expect(configOf(load({ yaml })).kafkaTopics).toEqual([
      { name: "one", format: "json", wide: false, onGap: "invalidate" },
      { name: "two", format: "json", id: "{type}:{id}", wide: true, onGap: "invalidate" },
    ]);
  });

  test.each([
    ["a,a", "twice the same"],
    ["a b", "a name with a space"],
    ["..", "a name of dots"],
    ["a.dlq", "a dead-letter topic"],
    ["[", "broken JSON"],
    [",", "no name at all"],
    ['[{"name":"a","format":"avro"}]', "an unknown format"],
    ['[{"name":"a","wyde":true}]', "an unknown key"],
    ['[{"name":"a","feeds":[]}]', "a topic that feeds nothing"],
    ['[{"name":"a","feeds":["docs:"]}]', "a namespace with an empty level"],
    ['[{"name":"a","onGap":"ignore"}]', "an unknown answer to gaps"],
    ['[{"name":"a","id":"{typ}:{id}"}]', "a template with an unknown field"],
    ['[{"name":"a","id":"{type}"}]', "a template without the id"],
  ])("%s is refused: %s", (text) => {
    expect(problemsOf(load({ env: { UNSTALE_KAFKA_TOPICS: text } }))).toHaveLength(1);
  });
});

describe("problems", () => {
  test("all are reported at once, each with name, expected, got and what to do", () => {
    const problems = problemsOf(
      load({
        yaml: "kafka:\n  grupId: x\n  sessionTimeout: 15\n",
        env: {
          UNSTALE_HTTP_PROT: "1",
          UNSTALE_KAFKA_BROKERS: "localhost",
          UNSTALE_DRAIN_TIMEOUT: "10",
          UNSTALE_KAFKA_SASL_USERNAME: "me",
        },
        flags: { "log.level": "loud" },
      }),
    );
    expect(problems.map(({ name }) => name).sort()).toEqual([
      "--set log.level",
      "UNSTALE_DRAIN_TIMEOUT",
      "UNSTALE_HTTP_PROT",
      "UNSTALE_KAFKA_BROKERS",
      "UNSTALE_KAFKA_SASL_MECHANISM, UNSTALE_KAFKA_SASL_USERNAME, UNSTALE_KAFKA_SASL_PASSWORD",
      "kafka.grupId in unstale.yaml",
      "kafka.sessionTimeout in unstale.yaml",
    ]);
    for (const { expected, got, todo } of problems) {
      expect([expected, got, todo].every((part) => part.length > 0)).toBe(true);
    }
    expect(problems.find(({ name }) => name === "UNSTALE_HTTP_PROT")?.todo).toBe("Did you mean UNSTALE_HTTP_PORT?");
    expect(problems.find(({ name }) => name.startsWith("kafka.grupId"))?.todo).toBe("Did you mean kafka.groupId?");
    expect(problems.find(({ name }) => name === "UNSTALE_KAFKA_BROKERS")).toEqual({
      name: "UNSTALE_KAFKA_BROKERS",
      expected: 'one or more host:port, such as "kafka-1:9092,kafka-2:9092", each once',
      got: '"localhost"',
      todo: 'Correct it, or leave it out for the default "127.0.0.1:9092".',
    });
  });

  test.each([
    [{ UNSTALE_KAFKA_HEARTBEAT_INTERVAL: "6s" }, "third of the session timeout"],
    [{ UNSTALE_SLICE_TIMEOUT: "31s" }, "half the rebalance timeout"],
    [{ UNSTALE_KAFKA_SSL_CA: "-----BEGIN CERTIFICATE-----" }, "need TLS"],
    [{ UNSTALE_KAFKA_SSL: "true", UNSTALE_KAFKA_SSL_CERT: "-----BEGIN CERTIFICATE-----" }, "given together"],
    [{ UNSTALE_VALKEY_URL: "redis://:a@h", UNSTALE_VALKEY_PASSWORD: "b" }, "not in both"],
    [{ UNSTALE_VALKEY_TLS_CA: "-----BEGIN CERTIFICATE-----" }, "rediss://"],
    [{ UNSTALE_ENTRY_PREFIX: "unstale:" }, "lie apart"],
    [{ UNSTALE_DEPENDENCY_PREFIXES: "cache:deps:" }, "lie apart"],
  ])("%j breaks a relation", (env, rule) => {
    const problems = problemsOf(load({ env: env as Record<string, string> }));
    expect(problems).toHaveLength(1);
    expect(problems[0]?.expected).toContain(rule);
  });

  test.each([
    ["UNSTALE_KAFKA_BROKERS", ["host", "host:0", "host:65536", "http://host:1", ":9092", "a:1,,b:x", "a:1,a:1", ","]],
    ["UNSTALE_VALKEY_URL", ["localhost:6379", "http://h", "redis://", "redis"]],
    ["UNSTALE_HTTP_PORT", ["-1", "65536", "1.5", "80a", " "]],
    ["UNSTALE_DRAIN_TIMEOUT", ["10", "1.5s", "-1s", "11m", "NaN", "1y"]],
    ["UNSTALE_FOREIGN_WRITERS", ["yes", "1"]],
    ["UNSTALE_KAFKA_SASL_MECHANISM", ["gssapi"]],
    ["UNSTALE_ENTRY_PREFIX", ["cache", "c*:", "{c}:", "a b:"]],
    ["UNSTALE_MAX_FENCES", ["0", "1e6"]],
  ])("%s refuses bad values", (name, values) => {
    for (const value of values) {
      const problems = problemsOf(load({ env: { [name]: value } }));
      expect({ value, names: problems.map((problem) => problem.name) }).toEqual({ value, names: [name] });
    }
  });

  test.each([
    "[1, 2]",
    "just text",
    "kafka: [1",
    "kafka:\n  brokers: a:1\n  brokers: b:1\n",
    "kafka: true",
    "nothing.here: 1",
  ])("the file %j is refused", (yaml) => {
    expect(problemsOf(load({ yaml })).length).toBeGreaterThan(0);
  });

  test("a value where a group belongs says what may be written", () => {
    expect(problemsOf(load({ yaml: "kafka: { ssl: true }" }))[0]?.todo).toContain("kafka.ssl.enabled");
  });

  test("an empty file, empty groups and null values are nothing", () => {
    expect(load({ yaml: "" }).kind).toBe("config");
    expect(load({ yaml: "kafka:\nhttp: { port: null }\n" }).kind).toBe("config");
  });

  test("what Kubernetes tells the containers of a service called unstale is no setting", () => {
    const env = {
      UNSTALE_SERVICE_HOST: "10.0.0.1",
      UNSTALE_SERVICE_PORT_HTTP: "8085",
      UNSTALE_PORT: "tcp://10.0.0.1:8085",
      UNSTALE_PORT_8085_TCP_ADDR: "10.0.0.1",
    };
    expect(configOf(load({ env: { ...env, UNSTALE_HTTP_PORT: "9000" } })).httpPort).toBe(9000);
  });

  test("variables of the project's own tests are none of its settings", () => {
    expect(load({ env: { UNSTALE_TEST_VALKEY_URL: "x", UNSTALE_CACHE_DIR: "y" } }).kind).toBe("config");
  });
});

describe("secrets", () => {
  const sasl = { UNSTALE_KAFKA_SASL_MECHANISM: "SCRAM-SHA-512", UNSTALE_KAFKA_SASL_USERNAME: "me" };

  test("a file gives the value, less the newline at its end", () => {
    const read = (path: string): string | undefined =>
      configOf(load({ env: { ...sasl, UNSTALE_KAFKA_SASL_PASSWORD_FILE: path } })).kafkaSaslPassword?.reveal();
    expect(read("/run/secrets/password")).toBe("s3cret");
    expect(read("/run/secrets/padded")).toBe(" s3cret \n");
  });

  test("the file of settings may name such a file, too", () => {
    expect(configOf(load({ yaml: "valkey: { passwordFile: /run/secrets/password }" })).valkeyPassword?.reveal()).toBe(
      "s3cret",
    );
  });

  test("value and file at once is an error, and so is a file that cannot be read", () => {
    const both = {
      ...sasl,
      UNSTALE_KAFKA_SASL_PASSWORD: "a",
      UNSTALE_KAFKA_SASL_PASSWORD_FILE: "/run/secrets/password",
    };
    expect(problemsOf(load({ env: both })).map(({ got }) => got)).toEqual(["UNSTALE_KAFKA_SASL_PASSWORD as well"]);
    const missing = { ...sasl, UNSTALE_KAFKA_SASL_PASSWORD_FILE: "/nowhere" };
    expect(problemsOf(load({ env: missing })).map(({ got }) => got)).toEqual([
      '"/nowhere", ENOENT: no such file or directory',
    ]);
  });

  test("none is seen in whatever is printed", () => {
    const loaded = load({
      env: {
        ...sasl,
        UNSTALE_KAFKA_SASL_PASSWORD: "hunter2",
        UNSTALE_VALKEY_URL: "redis://app:hunter2@cache:6380/1?token=hunter2",
      },
    });
    const config = configOf(loaded);
    const shown = loaded.kind === "config" ? showConfig(config, loaded.origins) : [];
    const printed = [JSON.stringify(config), inspect(config, { depth: 9, showHidden: true }), JSON.stringify(shown)];
    printed.push(`${config.kafkaSaslPassword} ${config.valkeyUrl}`, Object.values(config).map(String).join());
    for (const text of printed) expect(text).not.toContain("hunter2");
    expect(String(config.valkeyUrl)).toBe("redis://app:[redacted]@cache:6380/1?token=[redacted]");
    expect(config.valkeyUrl.reveal()).toContain("hunter2");
  });

  test("a wrong one is not quoted back", () => {
    const problems = problemsOf(load({ env: { UNSTALE_VALKEY_URL: "http://app:hunter2@cache" } }));
    expect(JSON.stringify(problems)).not.toContain("hunter2");
  });

  test("a Secret shows what it was told to show", () => {
    expect(`${new Secret("a")} ${new Secret("a", "b")}`).toBe("[redacted] b");
  });
});

describe("a Valkey Cluster", () => {
  const cluster = { UNSTALE_VALKEY_URL: "redis://u:secret@a:7000, b:7001" };

  test("is shown without its password", () => {
    const loaded = loadConfig({ env: cluster, readFile: () => "" });
    if (loaded.kind === "problems") throw new Error(JSON.stringify(loaded.problems));
    expect(String(loaded.config.valkeyUrl)).toBe("redis://u:[redacted]@a:7000,b:7001");
  });

  test.each([
    [{ ...cluster, UNSTALE_VALKEY_BUCKETS: "1" }, "a cluster has two buckets or more"],
    [{ UNSTALE_VALKEY_CLUSTER: "true", UNSTALE_VALKEY_BUCKETS: "1" }, "a cluster has two buckets or more"],
    [{ UNSTALE_VALKEY_URL: "redis://a:7000/3,b" }, "a cluster has no database but 0"],
    [{ ...cluster, UNSTALE_FOREIGN_WRITERS: "true" }, "programs of the plain schema know no hash tags"],
    [
      { UNSTALE_VALKEY_BUCKETS: "4", UNSTALE_FOREIGN_WRITERS: "true" },
      "programs of the plain schema know no hash tags",
    ],
    [{ UNSTALE_VALKEY_URL: "redis://a:7000,http://b" }, "a URL that starts with"],
    [{ UNSTALE_VALKEY_URL: "redis://a:7000,," }, "a URL that starts with"],
  ])("%j is refused", (env, expected) => {
    const loaded = loadConfig({ env, readFile: () => "" });
    if (loaded.kind === "config") throw new Error("It was taken.");
    expect(loaded.problems).toEqual([expect.objectContaining({ expected: expect.stringContaining(expected) })]);
  });
});
