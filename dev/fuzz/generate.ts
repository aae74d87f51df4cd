/** What inputs are made of: shapes that come near to what is expected, and damage. All of it follows from one seed. */
export interface Chance {
  /** From 0 up to 1. */
  next(): number;
  below(count: number): number;
  oneOf<T>(list: readonly T[]): T;
  list<T>(most: number, make: () => T): T[];
}

export function chanceOf(next: () => number): Chance {
  const below = (count: number): number => Math.floor(next() * count);
  return {
    next,
    below,
    oneOf: (list) => list[below(list.length)] as (typeof list)[number],
    list: (most, make) => Array.from({ length: below(most + 1) }, make),
  };
}

const words = [
  "article:42",
  "list:articles",
  "",
  " ",
  "*",
  "a\nb",
  "{0}",
  "{1}x}",
  "[^a]?\\",
  "__proto__",
  "constructor",
  "'); redis.call('FLUSHALL') --",
  "KEYS[1]",
  "é漢\u{1f600}",
  "\ud800",
  "\0",
  "v1",
  "a:b:c",
  "9007199254740993",
  "-0",
  "u1-0123456789abcdef-none",
  "x".repeat(2_000),
];
const names = [
  "id",
  "ids",
  "version",
  "type",
  "namespace",
  "all",
  "op",
  "occurredAt",
  "specversion",
  "source",
  "schema",
  "payload",
  "before",
  "after",
  "__proto__",
  "toString",
];

export function anyText(chance: Chance): string {
  const kind = chance.below(4);
  if (kind === 0) return chance.oneOf(words);
  if (kind === 1) return chance.oneOf(words) + chance.oneOf(words);
  return String.fromCharCode(...chance.list(12, () => chance.below(kind === 2 ? 128 : 65_536)));
}

export function anyValue(chance: Chance, depth = 3): unknown {
  switch (chance.below(depth > 0 ? 9 : 7)) {
    case 0:
      return null;
    case 1:
      return chance.next() < 0.5;
    case 2:
      return chance.oneOf([0, -0, 1, -1, 1.5, 1e14, 2 ** 53, -(2 ** 53), 1e308, 17]);
    case 3:
      return chance.below(1_000);
    case 7:
      return chance.list(4, () => anyValue(chance, depth - 1));
    case 8:
      return anyObject(chance, depth - 1);
    default:
      return anyText(chance);
  }
}

export function anyObject(chance: Chance, depth = 3): object {
  return Object.fromEntries(chance.list(5, () => [chance.oneOf(names), anyValue(chance, depth)]));
}

/** As it is, cut, with bytes changed, doubled, or followed by more. */
export function damaged(chance: Chance, bytes: Buffer): Buffer {
  if (bytes.length === 0) return bytes;
  switch (chance.below(8)) {
    case 0:
      return bytes.subarray(0, chance.below(bytes.length));
    case 1: {
      const copy = Buffer.from(bytes);
      for (let left = 1 + chance.below(3); left > 0; left--) copy[chance.below(copy.length)] = chance.below(256);
      return copy;
    }
    case 2:
      return Buffer.concat([bytes, bytes.subarray(chance.below(bytes.length))]);
    case 3:
      return Buffer.concat([Buffer.from([chance.below(256)]), bytes]);
    default:
      return bytes;
  }
}
