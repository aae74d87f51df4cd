// Every strategy and SmartCache, one by one, on the Valkey of this run: what is called, and what the server says after it.
import type { Progress } from "../services/index.ts";
import type { Backend } from "./backend.ts";
import type { Cleanup } from "./cleanup.ts";
import type { Panes } from "./panes.ts";
import type { Stage } from "./stage.ts";
import { tourEdit } from "./tour-edit.ts";
import { tourEviction } from "./tour-eviction.ts";

export interface TourOptions {
  readonly stage: Stage;
  readonly panes: Panes;
  readonly cleanup: Cleanup;
  readonly progress: Progress;
}

export async function playTour(options: TourOptions): Promise<void> {
  const { stage, panes } = options;
  const guide = createGuide({ panes, backend: stage.backend });
  await tourTtl(guide);
  await tourVersions(guide);
  await tourEdit({ ...options, guide });
  await tourNamespaces(guide);
  await tourEviction({ ...options, guide });
  await tourSmartCache(guide);
}

export interface Guide {
  readonly cache: Backend["cache"];
  chapter(title: string): void;
  line(text: string): void;
  /** Runs a command, and shows it with the reply. */
  command(...words: readonly (string | { readonly says: string })[]): Promise<unknown>;
  /** The key of an entry that depends on the document. */
  keyOf(document: string): Promise<string>;
}

function createGuide({ panes, backend }: { readonly panes: Panes; readonly backend: Backend }): Guide {
  let chapters = 0;
  return {
    cache: backend.cache,
    chapter(title) {
      chapters += 1;
      panes.say();
      panes.say(`${chapters}. ${title}`, "strong");
    },
    line: (text) => panes.say(`   ${text}`),
    async command(...given) {
      const words = given.filter((word) => typeof word === "string");
      const comment = given.flatMap((word) => (typeof word === "string" ? [] : [`  (${word.says})`])).join("");
      const reply = await backend.command(...words);
      panes.say(`   > ${words.join(" ")} → ${shown(reply)}${comment}`);
      return reply;
    },
    async keyOf(document) {
      const members = await backend.command("SMEMBERS", `doc_deps:${document}`);
      return Array.isArray(members) ? String(members[0] ?? "") : "";
    },
  };
}

function shown(reply: unknown): string {
  if (Array.isArray(reply)) return reply.length === 0 ? "(empty)" : reply.join(" ");
  return String(reply ?? "(nil)");
}

async function tourTtl({ cache, chapter, line, command, keyOf }: Guide): Promise<void> {
  chapter("TTL: every answer expires; a content class says when");
  for (const ttl of ["static", "documentation", "user", "real-time"] as const) {
    await cache.getOrSet(`tour: ${ttl}`, () => "an answer", { ttl, sources: [`tour:${ttl}`] });
    await command("TTL", await keyOf(`tour:${ttl}`), { says: ttl });
  }
  const mistake = await cache
    .getOrSet("tour", () => "x", { ttl: 3_600_000 })
    .then(String, (error: Error) => error.message);
  line(`getOrSet(…, { ttl: 3600000 }) throws: ${mistake}`);
}

async function tourVersions({ cache, chapter, line, command }: Guide): Promise<void> {
  chapter("Version tags: the version is part of every key, so one INCR makes all old keys unreadable");
  await command("GET", "cache:version", {
    says: "begins at random: a lost counter never comes back with an old value",
  });
  const before = await cache.get("tour: static");
  const { tags } = await cache.invalidateAll();
  const after = await cache.get("tour: static");
  line(`invalidateAll() raises ${tags} tag: an answer that was a ${named(before)} is a ${named(after)}`);
  await command("GET", "cache:version");
}

async function tourNamespaces({ cache, chapter, line, command }: Guide): Promise<void> {
  chapter("Namespaces: a version tag for each level, so any level is invalidated in one step");
  const namespaces = ["docs:technical", "docs:legal", "faqs:billing"];
  for (const namespace of namespaces) await cache.getOrSet("tour", () => "an answer", { namespace });
  await command("GET", "cache:version:docs");
  await cache.invalidateNamespace("docs");
  line('invalidateNamespace("docs")');
  await command("GET", "cache:version:docs");
  const found = await Promise.all(namespaces.map((namespace) => cache.get("tour", { namespace })));
  line(namespaces.map((name, at) => `${name} is a ${found[at] ? named(found[at]) : "miss"}`).join(", "));
}

function named({ hit }: { readonly hit: boolean }): "hit" | "miss" {
  return hit ? "hit" : "miss";
}

async function tourSmartCache({ cache, chapter, line }: Guide): Promise<void> {
  chapter("SmartCache: getOrSet, or its parts");
  let fills = 0;
  const fill = async () => {
    fills += 1;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return "computed once";
  };
  const replies = await Promise.all(Array.from({ length: 100 }, () => cache.getOrSet("tour: crowd", fill)));
  line(`100 callers miss the same answer at once: ${fills} fill, ${replies.length} answers`);

  const outer = await cache.getOrSet("tour: outer", async (context) => {
    context.dependsOn("tour:outer");
    const inner = await cache.getOrSet("tour: inner", () => "inner", { sources: ["tour:inner"] });
    return `built from ${inner.response}`;
  });
  line(`an answer built from a cached answer inherits its sources: ${outer.sources.join(", ")}`);

  const question = "tour: in parts";
  const miss = await cache.get(question);
  if (miss.hit) return;
  line(`get() → miss, with a lease, a string that may cross processes: ${miss.lease.slice(0, 44)}…`);
  await cache.invalidateSource("tour:part");
  const late = await cache.set(question, "old", { sources: ["tour:part"], lease: miss.lease });
  line(`invalidateSource("tour:part"), then set() with that lease → ${JSON.stringify(late)}`);
  const lease = await cache.lease(question);
  const written = await cache.set(question, "new", { sources: ["tour:part"], lease });
  line(`lease(), then set() with the new one → ${JSON.stringify(written)}`);
}
