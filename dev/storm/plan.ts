import { randomOf } from "../random.ts";
import type { ContestantName } from "./contestants/index.ts";
import { documentName } from "./documents.ts";
import type { Variant, VariantName } from "./variants.ts";

export interface Question {
  /** `<namespace>/<number>`, or only the number. */
  readonly name: string;
  readonly namespace?: string | undefined;
  /** Read by its own fill. */
  readonly documents: readonly string[];
  /** Questions whose answers it is built from. */
  readonly parts: readonly string[];
  /** Its documents and those of its parts. */
  readonly allDocuments: readonly string[];
  /** How a caller asks, where the library has several ways. What is only got is written by a program without leases. */
  readonly through: "getOrSet" | "get and set" | "get";
}

/** All that the processes of a storm must know; goes to them as JSON. */
export interface Plan {
  readonly seed: number;
  readonly variantName: VariantName;
  readonly variant: Omit<Variant, "contestants">;
  readonly questions: readonly Question[];
  readonly contestants: readonly Entrant[];
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly partitions: number;
  /** Where documents and histories are. */
  readonly folder: string;
  /** Where the peers' packages are. */
  readonly peers: string | undefined;
}

export interface Entrant {
  readonly name: ContestantName;
  /** Of one Valkey, a database for each. */
  readonly port: number;
  readonly database: number;
}

const foreignQuestions = 40;

const namespaces = [undefined, "docs", "docs:technical", "faqs:billing"] as const;

/** The same for the same seed and variant. */
export function planQuestions(seed: number, variant: Variant): Question[] {
  const random = randomOf(seed);
  const composed = Math.floor(variant.questions * variant.composed);
  const simple = Array.from({ length: variant.questions - composed }, (_, number): Question => {
    const namespace = namespaces[Math.floor(random() * namespaces.length)];
    const documents = new Set<string>();
    const count = 1 + Math.floor(random() * 5);
    while (documents.size < Math.min(count, variant.documents)) documents.add(pickDocument(random, variant.documents));
    const own = [...documents];
    const through = random() < 0.5 ? "getOrSet" : "get and set";
    return { name: named(number, namespace), namespace, documents: own, parts: [], allDocuments: own, through };
  });
  const built = Array.from({ length: composed }, (_, index): Question => {
    // Parts come from `getOrSet`: the answer of a `get` and `set` inside a fill is nobody's part.
    const pool = simple.filter(({ through }) => through === "getOrSet");
    const parts = [0, 1].map(() => pool[Math.floor(random() * pool.length)]).filter((part) => part !== undefined);
    const documents = [pickDocument(random, variant.documents)];
    return {
      name: named(simple.length + index, undefined),
      documents,
      parts: [...new Set(parts.map(({ name }) => name))],
      allDocuments: [...new Set([...documents, ...parts.flatMap((part) => part.documents)])],
      through: "getOrSet",
    };
  });
  const foreign = Array.from({ length: variant.foreign ? foreignQuestions : 0 }, (_, number): Question => {
    const documents = [...new Set([0, 1, 2].map(() => pickDocument(random, variant.documents)))];
    return { name: `foreign-${number}`, documents, parts: [], allDocuments: documents, through: "get" };
  });
  // The first are hot.
  return [...foreign, ...simple, ...built];
}

/** Low numbers are hot: half of all picks fall on a tenth of the documents. */
export function pickDocument(random: () => number, documents: number): string {
  return documentName(skewed(random, documents));
}

export function skewed(random: () => number, count: number): number {
  return Math.floor(count * random() ** 3.3);
}

function named(number: number, namespace: string | undefined): string {
  return namespace === undefined ? `${number}` : `${namespace}/${number}`;
}
