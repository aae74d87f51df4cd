// node edit.mjs [seconds]: somebody at the shop who changes the price of the lamp now and then. Without seconds, once.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { env } from "node:process";
import { setTimeout as delay } from "node:timers/promises";

const { SITE_FOLDER = "/site" } = env;
const page = join(SITE_FOLDER, "products", "alder-desk-lamp.md");
const seconds = Number(process.argv[2] ?? 0);

const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stopping.abort());

do {
  await delay(seconds * 1_000, undefined, { signal: stopping.signal }).catch(() => {});
  if (stopping.signal.aborted) break;
  const text = await readFile(page, "utf8");
  const price = Number(/€(\d+)/.exec(text)?.[1] ?? 49);
  const next = price >= 99 ? 49 : price + 1;
  await writeFile(page, text.replace(`€${price}`, `€${next}`));
  console.log(`The Alder desk lamp costs €${next} from now on, no longer €${price}.`);
} while (seconds > 0);
