import { foreignFill, meddler, plainKeys } from "../actors/foreign.ts";
import { plainSet } from "../actors/producer.ts";
import { visitor } from "../actors/visitor.ts";
import { eviction, failover, recreation, replication } from "../hazards.ts";
import type { Promised } from "../violation.ts";
import type { Question, World } from "../world.ts";
import { edits, keyOf, producer, q1, serviceWorker, started, world } from "../worlds/parts.ts";
import type { Mutant } from "./mutant.ts";

const inDocs: Question = { ...q1, namespace: "docs" };
const filled = [...started("w1"), "p1", "p1", "p1", "p1"];
const foreign = { ...plainKeys, keyOf };
const counter = { name: "SET", key: "cache:version", text: "41" } as const;
/** Only what matters to the hole may be evicted: the search stays small. */
const only = (...keys: readonly string[]) => eviction((key) => !keys.includes(key));
const w1 = serviceWorker("w1");
const aloneAtHome = { policy: { foreignWriters: false } };

interface Plan extends Partial<World> {
  readonly hole?: string;
}

function mutant(
  name: string,
  breaks: readonly Promised[],
  patch: readonly (readonly [string, string])[],
  { hole, ...plan }: Plan = {},
): Mutant {
  return {
    name,
    breaks,
    patch,
    ...(hole === undefined ? {} : { hole }),
    world: world(name, "", { prelude: started("w1"), actors: [producer("p1", q1), edits("A"), w1], ...plan }),
  };
}

/** Mistakes in commit.lua. */
const ofCommit: readonly Mutant[] = [
  mutant("commit does not look at the fences", ["I2"], [["if fence and fence > clock then", "if false then"]]),
  mutant("commit refuses what is as old as the fence", ["live"], [["fence > clock then", "fence >= clock then"]]),
  mutant("commit does not compare the versions", ["I2"], [["if versions ~= ARGV[3] then", "if false then"]], {
    hole: "H1",
    names: ["A", "@", "@docs"],
    questions: [inDocs],
    actors: [producer("p1", inDocs), edits("@docs"), w1],
  }),
  mutant("commit does not compare the replication id", ["I2"], [["or tonumber(ARGV[6]) ~= state.replid", ""]], {
    hole: "H5",
    names: ["A", "B", "@"],
    budgets: { failover: 1 },
    hazards: [failover()],
    prelude: [...started("w1"), "p2", "p2", "editor", "w1.fetch", "w1", "w1"],
    actors: [producer("p2", q1), producer("p1", q1), edits("B", "A"), w1],
  }),
  mutant("commit does not compare the birth", ["I2"], [["tonumber(ARGV[5]) ~= state.birth or ", ""]], {
    hole: "H4",
    budgets: { evict: 1, heartbeat: 1 },
    hazards: [only("unstale:fence")],
  }),
  mutant("commit does not look at the floor", ["I2"], [["if clock < state.floor then", "if false then"]], {
    names: ["A", "B", "@"],
    machine: { policy: { maxFences: 1 } },
    actors: [producer("p1", q1), edits("A", "B"), serviceWorker("w1", { batch: 1 })],
  }),
  mutant("commit does not compare document versions", ["I2"], [["known[index] < floor then", "false then"]], {
    questions: [{ ...q1, versioned: true }],
    end: "unfilled",
    actors: [producer("p1", { ...q1, versioned: true }, { lagging: true }), edits("A"), w1],
  }),
  mutant("commit takes lost document versions for none", ["I2"], [["fence <= since and", "false and"]], {
    questions: [{ ...q1, versioned: true }],
    end: "unfilled",
    budgets: { evict: 1, heartbeat: 1 },
    hazards: [only("unstale:versions")],
    actors: [producer("p1", { ...q1, versioned: true }, { lagging: true }), edits("A"), w1],
  }),
  mutant(
    "commit does not look at the type of a dependency set",
    ["reply"],
    [["~= 'none' then return", "~= 'none' and false then return"]],
    {
      hole: "H14",
      end: "unfilled",
      actors: [
        producer("p1", q1),
        { name: "f1", program: meddler([{ name: "SET", key: "doc_deps:A", text: "mine" }]) },
        w1,
      ],
    },
  ),
  mutant("commit does not set a TTL where there is none", ["I8"], [["redis.call('PEXPIRE', set, ARGV[8], 'NX')", ""]], {
    hole: "H16",
  }),
  mutant(
    "commit leaves the fields of the entry before",
    ["H19"],
    [
      ["redis.call('UNLINK', KEYS[1])\n\n", "\n"],
      ["redis.call('UNLINK', KEYS[1])\nfor index = first_set", "for index = first_set"],
    ],
    {
      hole: "H19",
      prelude: [...started("w1"), "p1", "p1", "p1", "p1"],
      actors: [
        producer("p1", q1, { codec: "json" }),
        { name: "s1", program: plainSet(q1) },
        { name: "v1", program: visitor(q1, 2) },
        edits("A"),
        w1,
      ],
    },
  ),
  mutant("commit does not list the entry", ["I3"], [["redis.call('SADD', set, KEYS[1])", ""]]),
  mutant(
    "commit removes the living from dependency sets",
    ["I3"],
    [
      ["~= #members then", "== #members then"],
      ["redis.pcall('EXISTS', member) == 0", "redis.pcall('EXISTS', member) == 1"],
    ],
  ),
];

/** Mistakes in read.lua. */
const ofRead: readonly Mutant[] = [
  mutant(
    "read does not look at the fences",
    ["I1"],
    [
      ["fence > lease.clock then", "false then"],
      ["tonumber(fence) > clock then", "false then"],
    ],
    {
      prelude: filled,
      budgets: { evict: 1 },
      hazards: [only("doc_deps:A")],
    },
  ),
  mutant(
    "read refuses what is as old as the fence",
    ["live"],
    [
      ["fence > lease.clock then", "fence >= lease.clock then"],
      ["tonumber(fence) > clock then", "tonumber(fence) >= clock then"],
    ],
    {
      prelude: filled,
    },
  ),
  mutant(
    "read looks at the fences only where the id is the same",
    ["I1"],
    [["fence > lease.clock then", "fence > lease.clock and state and state.replid == lease.replid then"]],
    {
      hole: "H23",
      seeds: [counter],
      prelude: [...filled, "f1", "evict doc_deps:A", "editor", "w1.fetch", "w1", "w1"],
      budgets: { evict: 1, replicate: 1, failover: 1, heartbeat: 1 },
      hazards: [only("doc_deps:A"), replication, failover()],
      actors: [
        producer("p1", q1),
        { name: "f1", program: foreignFill(q1, { ...foreign, listsOnly: true }) },
        edits("A"),
        w1,
      ],
    },
  ),
  mutant(
    "read believes a listing where the fences are lost and foreign writers list",
    ["I1"],
    [["elseif not same_birth and ARGV[3] == '1' then", "elseif false then"]],
    {
      hole: "H10, H24",
      seeds: [counter],
      prelude: [...filled, "f1"],
      budgets: { evict: 2, heartbeat: 1 },
      hazards: [only("doc_deps:A", "unstale:fence")],
      actors: [
        producer("p1", q1),
        { name: "f1", program: foreignFill(q1, { ...foreign, listsOnly: true }) },
        edits("A"),
        w1,
      ],
    },
  ),
  mutant(
    "read does not ask for the listing where the fences do not reach",
    ["I1"],
    [["else\n    alive = listed()", "else\n    alive = true"]],
    {
      machine: aloneAtHome,
      prelude: filled,
      budgets: { evict: 2, heartbeat: 1 },
      hazards: [only("doc_deps:A", "unstale:fence")],
    },
  ),
  mutant(
    "read does not compare the versions",
    ["I1", "live"],
    [["if versions ~= ARGV[2] then return { 'moved', versions } end", ""]],
    {
      names: ["A", "@", "@docs"],
      questions: [inDocs],
      prelude: [...filled, "v1", "v1"],
      actors: [
        producer("p1", inDocs),
        { name: "v1", program: visitor(inDocs, 3) },
        edits("@docs"),
        serviceWorker("w1", { flaws: { doesNotSweep: true } }),
      ],
    },
  ),
];

/** Mistakes in the scripts that workers call. */
const ofChanges: readonly Mutant[] = [
  mutant("forgetting fences does not raise the floor", ["I2"], [["state.floor = math.max(state.floor, highest)", ""]], {
    names: ["A", "B", "@"],
    machine: { policy: { maxFences: 1 } },
    actors: [producer("p1", q1), edits("A", "B"), serviceWorker("w1", { batch: 1 })],
  }),
  mutant(
    "a birth has no floor",
    ["live"],
    [["text(replid), ' replid', text(clock), ' floor')", "text(replid), ' replid')"]],
    {
      hole: "H6",
      prelude: [],
    },
  ),
  mutant(
    "a birth is not a new one",
    ["I1", "I2"],
    [
      ["birth = nonce,", "birth = 7,"],
      ["text(nonce), ' birth'", "'7', ' birth'"],
    ],
    {
      hole: "H4",
      budgets: { evict: 1, heartbeat: 1 },
      hazards: [only("unstale:fence")],
    },
  ),
  mutant(
    "a missing counter is 1",
    ["I1", "I2"],
    [
      ["value = text(nonce)", "value = '1'"],
      ["text(nonce - 1 - raised)", "'2'"],
    ],
    {
      hole: "H3",
      names: ["A", "@"],
      budgets: { evict: 1, heartbeat: 1 },
      hazards: [only("cache:version")],
      actors: [producer("p1", q1), edits("@"), w1],
    },
  ),
  mutant(
    "a raised tag that was lost is raised to the same again",
    ["I1", "I2"],
    [
      ["or tonumber(ARGV[6]) ~= state.replid", ""],
      ["if versions ~= ARGV[3] then", "if false then"],
    ],
    {
      hole: "H2",
      names: ["A", "@"],
      budgets: { failover: 1, heartbeat: 1 },
      hazards: [failover()],
      actors: [producer("p1", q1), edits("@"), w1],
    },
  ),
  mutant(
    "an account that is absent counts as new",
    ["I1"],
    [["if not applied and tonumber(ARGV[5]) > 0 then barrier = true end", ""]],
    {
      hole: "H7",
      names: ["A", "B", "@"],
      prelude: [...filled, "evict unstale:state", "replicate", "editor", "w1.fetch", "w1", "w1"],
      budgets: { evict: 1, replicate: 1, failover: 1 },
      hazards: [only("unstale:state"), replication, failover()],
      actors: [producer("p1", q1), edits("A", "B"), w1],
    },
  ),
  mutant(
    "an account that fell back is not noticed",
    ["I1"],
    [["if applied and applied < tonumber(ARGV[5]) then", "if false then"]],
    {
      names: ["A", "B", "@"],
      prelude: [...filled, "replicate", "editor", "w1.fetch", "w1", "w1"],
      budgets: { replicate: 1, failover: 1 },
      hazards: [replication, failover()],
      actors: [producer("p1", q1), edits("A", "B"), w1],
    },
  ),
  mutant(
    "a namespace is raised only after the applied offset",
    ["I1"],
    [["offset >= applied then", "offset > applied then"]],
    {
      names: ["A", "@", "@docs"],
      questions: [inDocs],
      prelude: [...filled, "p1"].slice(0, -1),
      actors: [producer("p1", inDocs), edits("@docs"), serviceWorker("w1", { flaws: { doesNotSweep: true } })],
    },
  ),
  mutant("an event sets no fence", ["I2"], [["fences[2 * index + 2] = id", "fences[2 * index + 2] = ' clock'"]]),
  mutant(
    "an event sets its fences one tick too low",
    ["I2"],
    [["fences[2 * index + 1] = stamp_text", "fences[2 * index + 1] = text(stamp - 1)"]],
  ),
  mutant(
    "a foreign key in place of a dependency set is left where it is",
    ["live", "reply"],
    [["if members.err then", "if false then"]],
    {
      hole: "H14",
      prelude: [...filled, "f1"],
      actors: [
        producer("p1", q1),
        { name: "f1", program: meddler([{ name: "SET", key: "doc_deps:A", text: "mine" }]) },
        edits("A"),
        w1,
      ],
    },
  ),
  mutant(
    "whatever a set names is deleted",
    ["H20"],
    [
      ["local rest = string.sub(member, #prefix + 1)", "if true then return true end\n  local rest = ''"],
      ["if string.sub(member, 1, #prefix) ~= prefix", "if false"],
    ],
    {
      hole: "H20",
      seeds: [{ name: "SET", key: "orders:7", text: "mine" }],
      bystanders: ["orders:7"],
      prelude: filled,
      actors: [
        producer("p1", q1),
        { name: "f1", program: meddler([{ name: "SADD", key: "doc_deps:A", member: "orders:7" }]) },
        edits("A"),
        w1,
      ],
    },
  ),
  mutant("a drain spares what is listed", ["I3"], [[" and younger(entries[index]) then", " then"]], {
    hole: "H9",
    machine: { policy: { inlineLimit: 0 } },
    seeds: [counter],
    prelude: filled,
    actors: [
      producer("p1", q1),
      { name: "f1", program: foreignFill(q1, { ...foreign, listsOnly: true }) },
      edits("A"),
      w1,
    ],
  }),
  mutant(
    "a drain spares everything",
    ["I3"],
    [["if listed[index - from + 1] == 1 and younger(entries[index]) then", "if true then"]],
    {
      machine: { policy: { inlineLimit: 0 } },
      prelude: filled,
    },
  ),
  mutant(
    "drains registered before are not told",
    ["I3"],
    [
      ["if tokens then", "if taken[id] then"],
      ["drains[#drains + 1] = tokens", "drains[#drains + 1] = taken[id]"],
    ],
    {
      hole: "H11",
      machine: { policy: { inlineLimit: 0 } },
      prelude: filled,
      budgets: { lost: 1 },
      actors: [producer("p1", q1), edits("A"), serviceWorker("w1", { lossy: true })],
    },
  ),
  mutant(
    "attaching does not write over a larger offset",
    ["I1", "I5"],
    [
      [
        "redis.call('HSET', KEYS[3], ARGV[4], ARGV[5])",
        "if not barrier then redis.call('HSET', KEYS[3], ARGV[4], ARGV[5]) end",
      ],
    ],
    {
      hole: "H8",
      prelude: [
        ...[...filled, "editor", "w1.fetch", "w1", "w1", "recreate 0", "w1.fetch", "w1", "w1", "w1", "w1", "w1"],
        ...["p2", "p2", "p2", "p2", "replicate"],
      ],
      budgets: { recreate: 1, replicate: 1, failover: 1 },
      hazards: [recreation("0"), replication, failover()],
      actors: [producer("p1", q1), producer("p2", q1), edits("A", "A"), w1],
    },
  ),
];

export const scriptMutants: readonly Mutant[] = [...ofCommit, ...ofRead, ...ofChanges];
