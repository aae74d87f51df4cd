import type { Problem } from "./problem.ts";
import { type Config, type SettingKey, settings } from "./settings.ts";

/** What two or more settings must be to each other. Judged only when each of them alone is right. */
interface Relation {
  readonly between: readonly SettingKey[];
  /** For the docs page. */
  readonly rule: string;
  /** Why not, or `undefined`. */
  violation(config: Config): Pick<Problem, "got" | "todo"> | undefined;
}

const name = (key: SettingKey): string => settings[key].env;
const seconds = (ms: number): string => `${ms / 1_000}s`;

export const relations: readonly Relation[] = [
  {
    between: ["kafkaHeartbeatIntervalMs", "kafkaSessionTimeoutMs"],
    rule: "the heartbeat interval is at most a third of the session timeout, so that one lost heartbeat costs nothing",
    violation: ({ kafkaHeartbeatIntervalMs: beat, kafkaSessionTimeoutMs: session }) =>
      beat * 3 <= session
        ? undefined
        : {
            got: `${seconds(beat)} and ${seconds(session)}`,
            todo: `Set ${name("kafkaHeartbeatIntervalMs")} to ${Math.floor(session / 3)}ms or less, or raise ${name("kafkaSessionTimeoutMs")}.`,
          },
  },
  {
    between: ["sliceTimeoutMs", "kafkaRebalanceTimeoutMs"],
    rule: "the slice timeout is at most half the rebalance timeout, so that a slice under way does not cost the membership",
    violation: ({ sliceTimeoutMs: slice, kafkaRebalanceTimeoutMs: rebalance }) =>
      slice * 2 <= rebalance
        ? undefined
        : {
            got: `${seconds(slice)} and ${seconds(rebalance)}`,
            todo: `Set ${name("sliceTimeoutMs")} to ${Math.floor(rebalance / 2)}ms or less, or raise ${name("kafkaRebalanceTimeoutMs")}.`,
          },
  },
  {
    between: ["kafkaSaslMechanism", "kafkaSaslUsername", "kafkaSaslPassword"],
    rule: "SASL mechanism, user name and password are given together",
    violation: ({ kafkaSaslMechanism, kafkaSaslUsername, kafkaSaslPassword }) =>
      together({ kafkaSaslMechanism, kafkaSaslUsername, kafkaSaslPassword }),
  },
  {
    between: ["kafkaSslCert", "kafkaSslKey"],
    rule: "client certificate and private key are given together",
    violation: ({ kafkaSslCert, kafkaSslKey }) => together({ kafkaSslCert, kafkaSslKey }),
  },
  {
    between: ["kafkaSsl", "kafkaSslCa", "kafkaSslCert", "kafkaSslKey"],
    rule: "certificates need TLS to be on",
    violation: ({ kafkaSsl, kafkaSslCa, kafkaSslCert, kafkaSslKey }) =>
      kafkaSsl || [kafkaSslCa, kafkaSslCert, kafkaSslKey].every((value) => value === undefined)
        ? undefined
        : { got: "certificates, but no TLS", todo: `Set ${name("kafkaSsl")} to true, or remove the certificates.` },
  },
  {
    between: ["valkeyUrl", "valkeyUsername", "valkeyPassword"],
    rule: "Valkey's user and password stand in the URL or in their own settings, not in both",
    violation: ({ valkeyUrl, valkeyUsername, valkeyPassword }) => {
      const { username, password } = new URL(valkeyUrl.reveal().split(",")[0] ?? "");
      const twice =
        (username !== "" && valkeyUsername !== undefined) || (password !== "" && valkeyPassword !== undefined);
      return twice ? { got: "both", todo: `Remove them from ${name("valkeyUrl")}.` } : undefined;
    },
  },
  {
    between: ["valkeyTlsCa", "valkeyUrl"],
    rule: "a certificate authority for Valkey needs a `rediss://` or `valkeys://` URL",
    violation: ({ valkeyTlsCa, valkeyUrl }) =>
      valkeyTlsCa === undefined || /^(rediss|valkeys):/.test(valkeyUrl.reveal())
        ? undefined
        : {
            got: "a URL without TLS",
            todo: `Write ${name("valkeyUrl")} as rediss://…, or remove ${name("valkeyTlsCa")}.`,
          },
  },
  {
    between: ["valkeyUrl", "valkeyCluster", "valkeyBuckets"],
    rule: "a cluster has two buckets or more",
    violation: ({ valkeyUrl, valkeyCluster, valkeyBuckets }) =>
      valkeyBuckets !== 1 || !isCluster({ valkeyUrl, valkeyCluster })
        ? undefined
        : { got: "one bucket", todo: `Set ${name("valkeyBuckets")} to 16, or remove it.` },
  },
  {
    between: ["valkeySentinels", "valkeyUrl", "valkeyCluster"],
    rule: "a cluster has no Sentinels",
    violation: ({ valkeySentinels, valkeyUrl, valkeyCluster }) =>
      valkeySentinels !== undefined && isCluster({ valkeyUrl, valkeyCluster })
        ? { got: "both", todo: `Remove ${name("valkeySentinels")}, or give one address in ${name("valkeyUrl")}.` }
        : undefined,
  },
  {
    between: ["valkeyUrl", "valkeyCluster"],
    rule: "a cluster has no database but 0",
    violation: ({ valkeyUrl, valkeyCluster }) =>
      isCluster({ valkeyUrl, valkeyCluster }) && /:\/\/[^/]*\/[1-9]/.test(valkeyUrl.reveal())
        ? { got: "a database number", todo: `Remove it from ${name("valkeyUrl")}.` }
        : undefined,
  },
  {
    between: ["foreignWriters", "valkeyBuckets", "valkeyUrl", "valkeyCluster"],
    rule: "programs of the plain schema know no hash tags: with several buckets there are no foreign writers",
    violation: ({ foreignWriters, valkeyBuckets, valkeyUrl, valkeyCluster }) =>
      foreignWriters === true && ((valkeyBuckets ?? 1) > 1 || isCluster({ valkeyUrl, valkeyCluster }))
        ? { got: "foreign writers, and several buckets", todo: `Set ${name("foreignWriters")} to false.` }
        : undefined,
  },
  {
    between: ["entryPrefix", "dependencyPrefixes"],
    rule: "entries, dependency sets and our own state (`unstale:`) lie apart: no prefix begins with another one",
    violation: ({ entryPrefix, dependencyPrefixes }) => {
      const all = ["unstale:", entryPrefix, ...dependencyPrefixes];
      const pair = all.flatMap((one, index) =>
        all.filter((other, at) => at !== index && other.startsWith(one)).map((other) => `"${one}" and "${other}"`),
      )[0];
      return pair === undefined ? undefined : { got: pair, todo: "Give each its own first word." };
    },
  },
];

function isCluster({ valkeyUrl, valkeyCluster }: Pick<Config, "valkeyUrl" | "valkeyCluster">): boolean {
  return valkeyCluster || valkeyUrl.reveal().includes(",");
}

function together(values: Partial<Record<SettingKey, unknown>>): Pick<Problem, "got" | "todo"> | undefined {
  const entries = Object.entries(values) as [SettingKey, unknown][];
  const given = entries.filter(([, value]) => value !== undefined).map(([key]) => name(key));
  const missing = entries.filter(([, value]) => value === undefined).map(([key]) => name(key));
  if (given.length === 0 || missing.length === 0) return undefined;
  return {
    got: `only ${given.join(" and ")}`,
    todo: `Set ${missing.join(" and ")} too, or remove ${given.join(" and ")}.`,
  };
}

/** The violated ones among the relations whose settings are all in `known`. */
export function relationProblems(config: Config, known: ReadonlySet<SettingKey>): readonly Problem[] {
  return relations.flatMap(({ between, rule, violation }) => {
    if (!between.every((key) => known.has(key))) return [];
    const found = violation(config);
    return found === undefined ? [] : [{ name: between.map(name).join(", "), expected: rule, ...found }];
  });
}
