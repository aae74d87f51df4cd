import { askValkey, parseValkeyUrl } from "../../services/valkey-probe.ts";
import { expectThat, type Row } from "../row.ts";
import type { Stage } from "../stage.ts";
import { until } from "../until.ts";
import { isShared, joins, noneIsReady } from "./common.ts";

const paused = "partitions paused, membership kept, not ready but alive; goes on by itself";

/** An outage, which must not cost the membership. */
async function outage(
  stage: Stage,
  fault: { readonly begin: () => Promise<unknown>; readonly end: () => Promise<unknown>; readonly because: RegExp },
): Promise<void> {
  await isShared(stage);
  const before = joins(stage);
  await fault.begin();
  await noneIsReady(stage, fault.because);
  // Longer than the session.
  await stage.lasting(4_000, 60_000);
  expectThat((await stage.group.members()) === stage.workers.length, "a worker lost its membership");
  await fault.end();
  await stage.over();
  await Promise.all(stage.workers.map((worker) => worker.ready()));
  expectThat(joins(stage) === before, "the group was rebalanced");
}

const durable = ["appendonly yes"];

const down: Row = {
  name: "valkey-down",
  fault: "Valkey is killed, and comes back with its data after longer than the session timeout",
  expected: paused,
  stage: { valkey: durable },
  play: (stage) =>
    outage(stage, {
      begin: () => stage.valkey.kill(),
      end: () => stage.valkey.restart(),
      because: /\[-\]valkey/,
    }),
};

const hangs: Row = {
  name: "valkey-hangs",
  fault: "Valkey hangs (SIGSTOP): connections stay open and nothing answers",
  expected: paused,
  play: (stage) =>
    outage(stage, {
      begin: async () => stage.valkey.pause(),
      end: async () => stage.valkey.resume(),
      because: /\[-\]valkey/,
    }),
};

const halfOpen: Row = {
  name: "valkey-half-open",
  fault: "the network to Valkey swallows everything, and nobody is told; later all connections are reset",
  expected: paused,
  stage: { valkeyProxy: true },
  play: (stage) =>
    outage(stage, {
      begin: async () => stage.valkeyProxy?.silence(),
      end: async () => stage.valkeyProxy?.heal(),
      because: /\[-\]valkey/,
    }),
};

const emptied: Row = {
  name: "valkey-emptied",
  fault: "Valkey is killed, and comes back without its data",
  expected: "everything is invalidated, as nobody knows what was in it; then as before",
  barriers: "some",
  forgets: true,
  play: async (stage) => {
    await isShared(stage);
    await stage.valkey.kill();
    await stage.lasting(500, 10_000);
    await stage.valkey.restart();
    await stage.over();
    await until("it was noticed", () => stage.workers.some((worker) => worker.said("everything was invalidated")));
    await Promise.all(stage.workers.map((worker) => worker.ready()));
    // Entries of the new life are judged like any other.
    await stage.load.more(2_000);
  },
};

const slow: Row = {
  name: "valkey-slow",
  fault: "the network to Valkey takes 100 ms each way",
  expected: "as much as before goes through, in larger slices; nothing is given up",
  stage: { valkeyProxy: true },
  play: async (stage) => {
    await isShared(stage);
    const before = joins(stage);
    stage.valkeyProxy?.delay(100);
    await stage.lasting(4_000, 30_000);
    stage.valkeyProxy?.delay(0);
    await stage.over();
    expectThat(joins(stage) === before, "the group was rebalanced");
    expectThat(!stage.workers.some((worker) => worker.said("slice not applied")), "a slice was given up");
  },
};

const cut: Row = {
  name: "valkey-cut",
  fault: "connections to Valkey are reset again and again",
  expected: "new ones are opened; slices are repeated where the answer was lost",
  stage: { valkeyProxy: true },
  play: async (stage) => {
    await isShared(stage);
    for (let times = 0; times < (stage.short ? 8 : 60); times += 1) {
      stage.valkeyProxy?.cut();
      await stage.lasting(250, 500);
    }
    await stage.over();
  },
};

const full: Row = {
  name: "valkey-out-of-memory",
  fault: "Valkey's memory is full and it refuses writes (`-OOM`)",
  expected: "invalidation goes on, since it may use memory that others may not; workers stay ready",
  stage: { valkey: ["maxmemory-policy noeviction"] },
  play: async (stage) => {
    await isShared(stage);
    await stage.tool.config("SET", "maxmemory", "1mb");
    await until("Valkey refuses writes", async () =>
      stage.tool.set("probe", "x").then(
        () => false,
        (error: Error) => error.message.startsWith("OOM"),
      ),
    );
    const began = stage.load.events.length;
    await stage.lasting(3_000, 30_000);
    const goal = await stage.ends();
    await stage.group.reached(goal, 10_000);
    expectThat(stage.load.events.length > began, "no events came meanwhile");
    for (const worker of stage.workers) expectThat((await worker.get("/readyz")).status === 200, "not ready");
    await stage.tool.config("SET", "maxmemory", "0");
    await stage.over();
  },
};

const loading: Row = {
  name: "valkey-loading",
  fault: "Valkey restarts and takes seconds to load its data (`-LOADING`)",
  expected: paused,
  stage: { valkey: [...durable, "key-load-delay 250", "loading-process-events-interval-bytes 1024"] },
  play: async (stage) => {
    await isShared(stage);
    const before = joins(stage);
    await stage.valkey.kill();
    // It may load for longer than a start may take; that is no concern of ours.
    stage.valkey.restart().catch(() => {});
    await until("Valkey loads", () =>
      askValkey(parseValkeyUrl(stage.valkey.url), [["PING"]]).then(
        () => false,
        (error: Error) => error.message.startsWith("LOADING"),
      ),
    );
    await noneIsReady(stage, /\[-\]valkey/);
    await until("Valkey has loaded", async () => (await stage.tool.ping()) === "PONG");
    await stage.over();
    expectThat(joins(stage) === before, "the group was rebalanced");
  },
};

const busy: Row = {
  name: "valkey-busy",
  fault: "somebody's script runs for ever in Valkey (`-BUSY`), until it is killed",
  expected: paused,
  stage: { valkey: ["busy-reply-threshold 200"] },
  play: (stage) => {
    const other = stage.tool.duplicate({ commandTimeout: 300_000 });
    other.on("error", () => {});
    return outage(stage, {
      begin: async () => {
        other.eval("while true do end", 0).catch(() => {});
      },
      end: async () => {
        await stage.tool.script("KILL");
        other.disconnect();
      },
      because: /BUSY/,
    });
  },
};

const readOnly: Row = {
  name: "valkey-read-only",
  fault: "Valkey becomes a replica (`-READONLY`), and a primary again",
  expected: paused,
  stage: { valkey: ["replica-serve-stale-data yes"] },
  play: (stage) =>
    outage(stage, {
      begin: () => stage.tool.call("REPLICAOF", "127.0.0.1", "1"),
      end: () => stage.tool.call("REPLICAOF", "NO", "ONE"),
      because: /READONLY|replica/i,
    }),
};

const noLogin: Row = {
  name: "valkey-password",
  fault: "Valkey gets a password that the workers do not have (`-NOAUTH`), and loses it again",
  expected: paused,
  play: (stage) =>
    outage(stage, {
      begin: async () => {
        await stage.tool.config("SET", "requirepass", "s3cret");
        await stage.tool.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      },
      end: () => stage.tool.config("SET", "requirepass", ""),
      because: /NOAUTH/,
    }),
};

const wrongType: Row = {
  name: "valkey-wrong-type",
  fault: "the dependency sets of documents are keys of another type (`WRONGTYPE`)",
  expected: "such keys are removed with the event of their document; all other events flow",
  play: async (stage) => {
    await isShared(stage);
    await stage.tool.set("doc_deps:broken:1", "not a set");
    await stage.tool.hset("doc_deps:broken:2", "not", "a set");
    await stage.change("broken:1", 0);
    await stage.change("broken:2", 1);
    await stage.over();
    await until(
      "the keys are gone",
      async () => (await stage.tool.exists("doc_deps:broken:1", "doc_deps:broken:2")) === 0,
    );
    expectThat(!stage.workers.some((worker) => worker.said("slice not applied")), "a slice was held up");
  },
};

export const valkeyRows: readonly Row[] = [
  down,
  hangs,
  halfOpen,
  emptied,
  slow,
  cut,
  full,
  loading,
  busy,
  readOnly,
  noLogin,
  wrongType,
];
