import type { ContestantName } from "./contestants/index.ts";

/** A kind of weather. Everything but `what` is taken as it is into the plan. */
export interface Variant {
  readonly what: string;
  readonly documents: number;
  readonly questions: number;
  /** Part of the questions that are answered from two other answers. */
  readonly composed: number;
  readonly editsPerSecond: number;
  /** Requests to void a namespace or everything. */
  readonly wipesPerSecond: number;
  /** Callers at a time, of each contestant in each process. */
  readonly visitors: number;
  /** The longest pause of a caller between two questions in ms. */
  readonly thinkMs: number;
  /** A fill takes a time from here to there. */
  readonly fillMs: readonly [number, number];
  readonly responseBytes: number;
  /** Lines of valkey.conf. */
  readonly valkey: readonly string[];
  /** Programs of the plain schema write answers of their own beside us, and list ours again. */
  readonly foreign: boolean;
  /** One of our system keys is deleted twice a second, as an eviction would. */
  readonly losses: boolean;
  readonly contestants: readonly ContestantName[];
}

const peers: readonly ContestantName[] = ["bentocache", "cacheable", "async-cache-dedupe", "envelop"];
const schema: readonly ContestantName[] = ["unstale", "plain", "multi"];

const usual: Variant = {
  what: "hot and cold documents, slow fills, nothing else",
  documents: 200,
  questions: 300,
  composed: 0.1,
  editsPerSecond: 40,
  wipesPerSecond: 0,
  visitors: 10,
  thinkMs: 60,
  fillMs: [5, 200],
  responseBytes: 1_000,
  valkey: [],
  foreign: false,
  losses: false,
  contestants: [...schema, ...peers, "mistaken"],
};

/** Far too little for what is asked: about a third of the answers fit. */
const tight = (policy: string): Partial<Variant> => ({
  questions: 2_000,
  documents: 1_000,
  responseBytes: 6_000,
  contestants: ["unstale"],
  valkey: ["maxmemory 6mb", `maxmemory-policy ${policy}`, "maxmemory-samples 3"],
});

export const variants = {
  usual,
  "allkeys-lru": { ...usual, ...tight("allkeys-lru"), what: "memory is full, any key may be evicted" },
  "volatile-lru": { ...usual, ...tight("volatile-lru"), what: "memory is full, any key with a TTL may be evicted" },
  losses: { ...usual, what: "a system key is lost twice a second", losses: true, contestants: ["unstale"] },
  wipes: { ...usual, what: "namespaces and everything are voided", wipesPerSecond: 2, contestants: schema },
  stampede: {
    ...usual,
    what: "everybody asks the same eight questions at once",
    questions: 8,
    documents: 12,
    editsPerSecond: 10,
    visitors: 40,
    composed: 0,
  },
  foreign: { ...usual, what: "programs of the plain schema write beside us", foreign: true, contestants: ["unstale"] },
  composed: { ...usual, what: "most answers are built from other answers", composed: 0.7, contestants: schema },
} as const satisfies Record<string, Variant>;

export type VariantName = keyof typeof variants;

export const isVariant = (name: string): name is VariantName => Object.hasOwn(variants, name);
