import type { MemoryStore } from "@unstale/cache-core";

/** Everything in the keyspace at one moment. */
export type Image = ReturnType<MemoryStore["keyspace"]["snapshot"]>;
export type Slot = Image["slots"] extends ReadonlyMap<string, infer S> ? S : never;
export type Value = Slot["value"];

/** Two images of one key hold the same, whatever the order in which it came about. */
export function imageKey(image: Image): string {
  const known = keys.get(image);
  if (known !== undefined) return known;
  const lines: string[] = [];
  for (const [key, { value, expiresAt }] of image.slots) lines.push(`${key}\t${valueKey(value)}\t${expiresAt ?? ""}`);
  const key = lines.sort().join("\n");
  keys.set(image, key);
  return key;
}

const keys = new WeakMap<Image, string>();

function valueKey(value: Value): string {
  switch (value.type) {
    case "string":
      return value.text;
    case "hash":
      return pairs(value.fields);
    case "set":
      return [...value.members].sort().join(" ");
    case "zset":
      return pairs(value.scores);
  }
}

function pairs(map: ReadonlyMap<string, string | number>): string {
  return [...map]
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(" ");
}

export function textOf({ slots }: Image, key: string): string | undefined {
  const value = slots.get(key)?.value;
  return value?.type === "string" ? value.text : undefined;
}

export function fieldOf({ slots }: Image, key: string, field: string): string | undefined {
  const value = slots.get(key)?.value;
  return value?.type === "hash" ? value.fields.get(field) : undefined;
}

export function lists({ slots }: Image, key: string, member: string): boolean {
  const value = slots.get(key)?.value;
  return value?.type === "set" && value.members.has(member);
}
