// Compiled, never run: the shapes that programs rely on. A line that no longer compiles is a change for users.
import {
  createMemoryStore,
  type FillContext,
  type GetOrSetResult,
  type InvalidationCounts,
  type SetRefusal,
  type SmartCache,
  type SmartCacheOptions,
} from "@unstale/cache-core";
import { Cluster, Redis } from "iovalkey";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Equal<A, B>): void {}

export const targets: SmartCacheOptions[] = [
  { valkey: "redis://127.0.0.1:6379" },
  { valkey: { host: "127.0.0.1", port: 6379, password: "secret" } },
  { valkey: { sentinels: [{ host: "127.0.0.1", port: 26379 }], name: "main" } },
  { valkey: new Redis({ lazyConnect: true }) },
  { valkey: new Cluster([{ host: "127.0.0.1", port: 7000 }]), buckets: 16 },
  { valkey: "redis://127.0.0.1:7000,127.0.0.1:7001" },
  { valkey: { cluster: ["rediss://a:6379"], natMap: { "10.0.0.1:6379": { host: "a", port: 6379 } } }, buckets: 64 },
  { store: createMemoryStore() },
];

// @ts-expect-error neither a place nor a store
export const nowhere: SmartCacheOptions = { defaultTtl: "1h" };
// @ts-expect-error both
export const both: SmartCacheOptions = { valkey: "redis://127.0.0.1", store: createMemoryStore() };

export async function uses(cache: SmartCache): Promise<void> {
  const found = await cache.get<string>("q", { namespace: "docs:technical" });
  if (found.hit) {
    same<typeof found.response, string>(true);
    same<typeof found.sources, readonly string[]>(true);
    // @ts-expect-error a hit has no lease
    found.lease;
  } else {
    same<typeof found.lease, string>(true);
  }
  await cache.get("q", { after: { topic: "cms.documents", partition: 0, offset: "17" }, maxStaleness: "2s" });
  await cache.getOrSet("q", () => "a", { after: ["cms.documents:0:17", { topic: "t", partition: 1, offset: 3n }] });
  // @ts-expect-error a lease demands nothing
  await cache.lease("q", { maxStaleness: "2s" });

  const untyped = await cache.get("q");
  if (untyped.hit) same<typeof untyped.response, unknown>(true);

  same<string, Awaited<ReturnType<SmartCache["lease"]>>>(true);

  const written = await cache.set(
    "q",
    { any: "value" },
    {
      sources: ["article:42"],
      ttl: "documentation",
      namespace: "docs",
      lease: await cache.lease("q", { namespace: "docs" }),
      sourceVersions: { "article:42": 17 },
    },
  );
  if (written.written) same<typeof written.fenced, boolean>(true);
  else same<typeof written.reason, SetRefusal>(true);

  const answer = await cache.getOrSet(
    "q",
    async (context) => {
      same<typeof context, FillContext>(true);
      context.dependsOn("article:42", { version: 17 });
      context.dependsOn(["a", "b"]);
      context.setTtl("90s");
      context.setTtl(3600);
      same<typeof context.signal, AbortSignal>(true);
      return { price: 9.99 };
    },
    { sources: ["a"], namespace: "docs", ttl: "real-time", signal: AbortSignal.timeout(1), refresh: true },
  );
  same<typeof answer, GetOrSetResult<{ price: number }>>(true);
  same<typeof answer.status, "hit" | "filled" | "refused" | "uncached">(true);
  same<typeof answer.response, { price: number }>(true);
  if (answer.status === "uncached") {
    same<typeof answer.reason, "skipped" | "other-bucket" | "unavailable" | "too-large">(true);
  }
  const synchronous = await cache.getOrSet("q", () => "text");
  same<typeof synchronous.response, string>(true);

  same<Awaited<ReturnType<SmartCache["invalidateSource"]>>, InvalidationCounts>(true);
  await cache.invalidateSource("article:42");
  await cache.invalidateSource(["article:42", "article:43"]);
  await cache.invalidateNamespace("docs");
  await cache.invalidateAll();
  await cache.close();

  // @ts-expect-error "1 hour" is fine for the compiler as a class name only where text is; a date is neither
  await cache.set("q", "a", { ttl: new Date() });
  // @ts-expect-error a query is text
  await cache.get(42);
}
