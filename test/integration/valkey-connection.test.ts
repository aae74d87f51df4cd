import { afterEach, expect, test } from "@jest/globals";
import { createValkeyStore, SmartCache } from "@unstale/cache-core";
import { Redis } from "iovalkey";
import { describeWith, ownValkey } from "../support/services.ts";
import { waitFor } from "../support/wait-for.ts";

const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function cacheOn(valkey: ConstructorParameters<typeof SmartCache>[0]["valkey"]): SmartCache {
  const cache = new SmartCache({ valkey: valkey ?? "" });
  closing.push(() => cache.close());
  return cache;
}

async function fills(cache: SmartCache): Promise<void> {
  await waitFor(async () => (await cache.getOrSet("q", () => "a")).status !== "uncached");
  await waitFor(async () => (await cache.get("q")).hit);
}

describeWith(["valkey"], "where Valkey is", () => {
  test("may be a URL in four spellings of two schemes, options, or a ready client, lazy or not", async () => {
    const { url, host, port } = await ownValkey();
    const lazy = new Redis(url, { lazyConnect: true });
    const eager = new Redis(url);
    closing.push(
      () => lazy.disconnect(),
      () => eager.disconnect(),
    );
    for (const target of [url, url.replace("redis:", "valkey:"), { host, port }, lazy, eager])
      await fills(cacheOn(target));
  });

  test("a ready client is not closed by us", async () => {
    const { url } = await ownValkey();
    const client = new Redis(url);
    closing.push(() => client.disconnect());
    const cache = cacheOn(client);
    await fills(cache);
    await cache.close();
    expect(await client.ping()).toBe("PONG");
  });

  test("a client with a key prefix is refused: the prefix would not reach into dependency sets", async () => {
    const client = new Redis({ lazyConnect: true, keyPrefix: "shop:" });
    expect(() => cacheOn(client)).toThrow(/without keyPrefix is expected .* got keyPrefix "shop:"/);
  });

  test("a wrong password is named where a call fails for it", async () => {
    const { url } = await ownValkey({ config: ["requirepass right"] });
    const store = createValkeyStore({ valkey: url.replace(/\/\/(.*@)?/, "//:wrong@"), timeoutMs: 500 });
    closing.push(() => store.close());
    await expect(store.serverInfo()).rejects.toMatchObject({
      code: "UNSTALE_VALKEY_UNAVAILABLE",
      message: expect.stringMatching(/WRONGPASS|without any password configured/),
    });
  });

  test("a call that waits for the connection ends when the store is closed", async () => {
    const store = createValkeyStore({ valkey: "redis://127.0.0.1:1", timeoutMs: 60_000 });
    const waiting = expect(store.serverInfo()).rejects.toMatchObject({ code: "UNSTALE_CLOSED" });
    await store.close();
    await waiting;
  });

  test("hundreds of first look-ups wait together, without a warning", async () => {
    const { url } = await ownValkey();
    const warnings: Error[] = [];
    const note = (warning: Error): number => warnings.push(warning);
    process.on("warning", note);
    closing.push(() => process.off("warning", note));
    const cache = cacheOn(url);
    await Promise.all(Array.from({ length: 300 }, (_, index) => cache.get(`q${index}`)));
    await new Promise(setImmediate);
    expect(warnings.filter(({ name }) => name === "MaxListenersExceededWarning")).toEqual([]);
  });
});
