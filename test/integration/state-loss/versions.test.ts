// Document versions (R9), through Kafka and a worker: a source that lags behind the event cannot put the old answer back.
import { afterEach, expect, jest, test } from "@jest/globals";
import { SmartCache } from "@unstale/cache-core";
import { describeWith, ownValkey } from "../../support/services.ts";
import { openStateLossScene, operate } from "./scene.ts";

jest.setTimeout(120_000);

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function open() {
  const valkey = await ownValkey();
  const scene = await openStateLossScene({ valkey: valkey.url, env: { UNSTALE_VALKEY_URL: valkey.url } });
  const cache = new SmartCache({ valkey: valkey.url, readTimeoutMs: 250, onWarning: () => undefined });
  closing.push(
    () => valkey.stop(),
    () => scene.close(),
    () => cache.close(),
  );
  /** What a producer makes of a document that it read at this version. */
  const ask = (id: string, version: number, isVersioned = true) =>
    cache.getOrSet(`text of ${id} at its source`, (context) => {
      context.dependsOn(id, isVersioned ? { version } : {});
      return `version ${version}`;
    });
  return { ...scene, valkey, ask };
}

describeWith(["kafka", "valkey"], "a source that lags behind the event", () => {
  test("cannot put an old answer back: it is refused until the source has caught up", async () => {
    const { edit, acknowledged, ask } = await open();
    expect(await ask("article:1", 1)).toMatchObject({ status: "filled" });
    await edit(["article:1"]);
    await acknowledged();
    expect(await ask("article:1", 1)).toMatchObject({ status: "refused", reason: "changed" });
    expect(await ask("article:1", 2)).toMatchObject({ status: "filled" });
    expect(await ask("article:1", 1)).toMatchObject({ status: "hit", response: "version 2" });
  });

  test("is not noticed where the producer does not say what it read", async () => {
    const { edit, acknowledged, ask } = await open();
    await edit(["article:1"]);
    await acknowledged();
    expect(await ask("article:1", 1, false)).toMatchObject({ status: "filled", response: "version 1" });
  });

  test("is refused for five minutes where the versions alone were lost, whatever it says", async () => {
    const { edit, acknowledged, ask, valkey } = await open();
    await edit(["article:1"]);
    await acknowledged();
    await operate(valkey, (redis) => redis.del("unstale:versions"));
    expect(await ask("article:1", 1)).toMatchObject({ status: expect.not.stringMatching(/filled|hit/) });
  });
});
