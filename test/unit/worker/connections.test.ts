import { describe, expect, test } from "@jest/globals";
import { type Config, loadConfig } from "../../../config/index.ts";
import { kafkaConnection, subscriptionsOf, valkeyTarget } from "../../../worker/connections.ts";
import { layoutOf } from "../../../worker/layout.ts";

const pem = "-----BEGIN CERTIFICATE-----";

function configOf(env: Record<string, string>): Config {
  const loaded = loadConfig({ env, readFile: () => "" });
  if (loaded.kind === "problems") throw new Error(JSON.stringify(loaded.problems));
  return loaded.config;
}

describe("Valkey", () => {
  test.each([
    [{ UNSTALE_VALKEY_URL: "valkey://cache" }, "valkey://cache"],
    [{ UNSTALE_VALKEY_URL: "redis://u:p@cache:1/2" }, "redis://u:p@cache:1/2"],
    [{ UNSTALE_VALKEY_URL: "redis://cache", UNSTALE_VALKEY_PASSWORD: "p@s:/%" }, "redis://:p%40s%3A%2F%25@cache"],
    [
      { UNSTALE_VALKEY_URL: "rediss://cache", UNSTALE_VALKEY_USERNAME: "u", UNSTALE_VALKEY_PASSWORD: "p" },
      "rediss://u:p@cache",
    ],
  ])("%j", (env, url) => {
    expect(valkeyTarget(configOf(env))).toBe(url);
  });

  test("with a certificate authority the URL is taken apart", () => {
    const env = { UNSTALE_VALKEY_URL: "rediss://u:p%40@[::1]:7000/3", UNSTALE_VALKEY_TLS_CA: pem };
    expect(valkeyTarget(configOf(env))).toEqual({
      host: "::1",
      port: 7_000,
      username: "u",
      password: "p@",
      db: 3,
      tls: { ca: pem },
    });
    const plain = { UNSTALE_VALKEY_URL: "rediss://cache", UNSTALE_VALKEY_TLS_CA: pem };
    expect(valkeyTarget(configOf(plain))).toEqual({ host: "cache", port: 6_379, db: 0, tls: { ca: pem } });
  });
});

describe("Valkey behind Sentinels", () => {
  test("is asked for by name; login, database and TLS are those of the URL", () => {
    const env = {
      UNSTALE_VALKEY_URL: "rediss://u:p@nowhere/2",
      UNSTALE_VALKEY_SENTINELS: "one:26379,two:26380",
      UNSTALE_VALKEY_SENTINEL_NAME: "main",
    };
    expect(valkeyTarget(configOf(env))).toEqual({
      sentinels: [
        { host: "one", port: 26_379 },
        { host: "two", port: 26_380 },
      ],
      name: "main",
      username: "u",
      password: "p",
      db: 2,
      tls: {},
    });
    const plain = valkeyTarget(configOf({ UNSTALE_VALKEY_SENTINELS: "one:26379" }));
    expect(plain).toEqual({ sentinels: [{ host: "one", port: 26_379 }], name: "mymaster", db: 0 });
  });
});

describe("a Valkey Cluster", () => {
  const several = { UNSTALE_VALKEY_URL: "redis://a:7000, b:7001,redis://c" };

  test("is several addresses, or one that is said to stand for all", () => {
    expect(valkeyTarget(configOf(several))).toEqual({ cluster: ["redis://a:7000", "b:7001", "redis://c"] });
    const one = { UNSTALE_VALKEY_URL: "rediss://all", UNSTALE_VALKEY_CLUSTER: "true" };
    expect(valkeyTarget(configOf(one))).toEqual({ cluster: ["rediss://all"] });
    const login = { ...one, UNSTALE_VALKEY_PASSWORD: "p", UNSTALE_VALKEY_TLS_CA: pem };
    expect(valkeyTarget(configOf(login))).toEqual({
      cluster: ["rediss://:p@all"],
      redisOptions: { tls: { ca: pem } },
    });
  });

  test("has 16 buckets and no foreign writers, a server that stands alone one and some", () => {
    expect(layoutOf(configOf(several))).toMatchObject({
      layout: { buckets: 16 },
      foreignWriters: false,
      isCluster: true,
    });
    expect(layoutOf(configOf({ ...several, UNSTALE_VALKEY_BUCKETS: "64" }))).toMatchObject({ layout: { buckets: 64 } });
    expect(layoutOf(configOf({}))).toMatchObject({ layout: { buckets: 1 }, foreignWriters: true, isCluster: false });
    expect(layoutOf(configOf({ UNSTALE_VALKEY_BUCKETS: "4" }))).toMatchObject({ foreignWriters: false });
  });
});

describe("Kafka", () => {
  test("without TLS and SASL", () => {
    expect(kafkaConnection(configOf({}))).toEqual({ brokers: ["127.0.0.1:9092"], clientId: "unstale" });
  });

  test("with both", () => {
    const env = {
      UNSTALE_KAFKA_SSL: "true",
      UNSTALE_KAFKA_SASL_MECHANISM: "SCRAM-SHA-512",
      UNSTALE_KAFKA_SASL_USERNAME: "u",
      UNSTALE_KAFKA_SASL_PASSWORD: "p",
    };
    expect(kafkaConnection(configOf(env))).toMatchObject({
      ssl: true,
      sasl: { mechanism: "scram-sha-512", username: "u", password: "p" },
    });
    expect(kafkaConnection(configOf({ ...env, UNSTALE_KAFKA_SSL_CA: pem }))).toMatchObject({ ssl: { ca: pem } });
  });

  test("topics as they were set", () => {
    const env = { UNSTALE_KAFKA_TOPICS: '[{"name":"a","wide":true},{"name":"b","id":"{type}:{id}"}]' };
    const subscriptions = subscriptionsOf(configOf(env));
    expect(subscriptions.topics).toEqual(["a", "b"]);
    expect(subscriptions.get("a")).toMatchObject({ wide: true });
    expect(subscriptions.get("b")).toMatchObject({ id: "{type}:{id}", wide: false });
  });
});
