import { mkdir, mkdtemp, rename, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { type ChangeRecord, changeRecord, startPublisher } from "../../../examples/publisher/publisher.ts";

const page = (id: string, text: string) => `---\nid: ${id}\n---\n${text}\n`;

let folder: string;
let publisher: { close(): Promise<void> } | undefined;
let sent: ChangeRecord[];
let arrival: () => void;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "unstale-publisher-"));
  await mkdir(join(folder, "products"));
  await writeFile(join(folder, "products", "lamp.md"), page("article:42", "€49"));
  sent = [];
  arrival = () => {};
});
afterEach(async () => {
  await publisher?.close();
  await rm(folder, { recursive: true, force: true });
});

async function start(failures = 0): Promise<void> {
  let left = failures;
  publisher = await startPublisher({
    folder,
    quietMs: 10,
    retryMs: 10,
    onError: () => {},
    send: async (record) => {
      left -= 1;
      if (left >= 0) throw new Error("no broker");
      sent.push(record);
      arrival();
      return { partition: 0, offset: BigInt(sent.length - 1) };
    },
  });
}

/** Resolves when that many records were sent. */
function records(count: number): Promise<Record<string, unknown>[]> {
  return new Promise((resolve) => {
    arrival = () => {
      if (sent.length >= count) resolve(sent.map(({ value }) => JSON.parse(value)));
    };
    arrival();
  });
}

describe("startPublisher", () => {
  test("a save in place is one event, and what was there at the start is none", async () => {
    await start();
    await writeFile(join(folder, "products", "lamp.md"), page("article:42", "€59"));
    const [event] = await records(1);
    expect(event).toEqual({ id: "article:42", version: expect.any(Number), occurredAt: expect.stringMatching(/Z$/) });
    expect(sent[0]?.key).toBe("article:42");
  });

  test("an editor that writes a new file and moves it over the old one is one event", async () => {
    await start();
    await writeFile(join(folder, "products", ".lamp.md.swp"), page("article:42", "€59"));
    await rename(join(folder, "products", ".lamp.md.swp"), join(folder, "products", "lamp.md"));
    await records(1);
    await writeFile(join(folder, "products", "end.md"), page("end", "end"));
    expect((await records(2)).map((event) => event.id ?? event.op)).toEqual(["article:42", "create"]);
  });

  test("a save without a change publishes nothing", async () => {
    await start();
    await writeFile(join(folder, "products", "lamp.md"), page("article:42", "€49"));
    await writeFile(join(folder, "products", "end.md"), page("end", "end"));
    expect(await records(1)).toMatchObject([{ op: "create" }]);
  });

  test("a page that appears or disappears changes the list of pages too", async () => {
    await start();
    await writeFile(join(folder, "new.md"), page("article:99", "x"));
    expect(await records(1)).toMatchObject([{ op: "create", ids: [{ id: "article:99" }, "list:pages"] }]);
    await unlink(join(folder, "new.md"));
    expect(await records(2)).toMatchObject([{}, { op: "delete", ids: [{ id: "article:99" }, "list:pages"] }]);
  });

  test("a page in a new folder is seen, and its later changes too", async () => {
    await start();
    await mkdir(join(folder, "faqs"));
    await writeFile(join(folder, "faqs", "a.md"), page("faq:1", "x"));
    await records(1);
    await writeFile(join(folder, "faqs", "a.md"), page("faq:1", "y"));
    expect(await records(2)).toMatchObject([{ op: "create" }, { id: "faq:1" }]);
  });

  test("a half-written file still counts as the page that it was", async () => {
    await start();
    await writeFile(join(folder, "products", "lamp.md"), "---\nid");
    expect(await records(1)).toMatchObject([{ id: "article:42" }]);
  });

  test("a change that could not be sent is sent later", async () => {
    await start(2);
    await writeFile(join(folder, "products", "lamp.md"), page("article:42", "€59"));
    expect(await records(1)).toMatchObject([{ id: "article:42" }]);
  });
});

describe("changeRecord", () => {
  test("is keyed by the id and carries a W3C trace context", () => {
    const change = { op: "update", id: "article:42", file: "lamp.md", changedAt: 0 } as const;
    const record = changeRecord({ change, version: 7 });
    expect(record.key).toBe("article:42");
    expect(JSON.parse(record.value)).toEqual({ id: "article:42", version: 7, occurredAt: "1970-01-01T00:00:00.000Z" });
    expect(record.headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  });
});
