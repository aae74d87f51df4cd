// A producer, in a process of its own: it has callers of every contestant, so that what disturbs one disturbs all.
import { join } from "node:path";
import { randomOf } from "../random.ts";
import { opener } from "./contestants/index.ts";
import { Documents } from "./documents.ts";
import { obey, openProgram } from "./program.ts";
import { Visitors } from "./visitor.ts";

const { plan, index, history, count } = openProgram("visitor");
const documents = Documents.open(join(plan.folder, "documents"));
const open = opener(plan.peers);
const all = await Promise.all(
  plan.contestants.map(async ({ name, port, database }, at) => {
    const onCount = (what: string): void => count(name, what);
    const contestant = await open(name, { host: "127.0.0.1", port, database, onCount });
    const random = randomOf(plan.seed + 1_000 * (index + 1) + at);
    const visitors = new Visitors({ name, contestant, plan, documents, history, random, onCount });
    return { contestant, visitors };
  }),
);
let visits: Promise<unknown> = Promise.resolve();

obey({
  go: async () => {
    visits = Promise.all(all.map(({ visitors }) => visitors.visit()));
  },
  stop: async () => {
    for (const { visitors } of all) visitors.stop();
    await visits;
  },
  last: async () => {
    for (const { visitors } of all) await visitors.lastPass();
  },
  end: async () => {
    await Promise.all(all.map(({ contestant }) => contestant.close()));
    documents.close();
  },
});
