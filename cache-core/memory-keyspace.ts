/**
 * The part of Valkey's keyspace that the protocol uses, in memory: strings, hashes, sets, sorted sets, expiry, errors for
 * the wrong type. Key names are those of Valkey, so that a test can play a foreign writer, an eviction, a flush or a
 * failover (`snapshot`, `restore`) by touching it directly.
 */
export class MemoryKeyspace {
  #slots = new Map<string, Slot>();
  /** Numbers slots in the order of their creation: a scan's cursor. */
  #sequence = 0;
  readonly #now: () => number;

  /** `now`: milliseconds; what keys expire by. */
  constructor(now: () => number) {
    this.#now = now;
  }

  // Any type

  type(key: string): "none" | Value["type"] {
    return this.#find(key)?.value.type ?? "none";
  }

  exists(key: string): boolean {
    return this.#find(key) !== undefined;
  }

  /** How many of the keys were there. */
  del(...keys: readonly string[]): number {
    return keys.filter((key) => this.#find(key) !== undefined && this.#slots.delete(key)).length;
  }

  /** Milliseconds left; -1 without an expiry, -2 without the key. */
  pttl(key: string): number {
    const slot = this.#find(key);
    if (!slot) return -2;
    return slot.expiresAt === undefined ? -1 : slot.expiresAt - this.#now();
  }

  /** Whether the expiry was set. `GT`: only a later one than the one there is (none counts as never). `NX`: only where none is. */
  pexpire(key: string, ms: number, only?: "GT" | "NX"): boolean {
    if (!Number.isInteger(ms)) throw new KeyspaceError("ERR value is not an integer or out of range");
    const slot = this.#find(key);
    if (!slot) return false;
    const expiresAt = this.#now() + ms;
    if (only === "GT" && (slot.expiresAt === undefined || slot.expiresAt >= expiresAt)) return false;
    if (only === "NX" && slot.expiresAt !== undefined) return false;
    if (ms <= 0) this.#slots.delete(key);
    else slot.expiresAt = expiresAt;
    return true;
  }

  /** The expiry moves with the value. */
  rename(from: string, to: string): void {
    const slot = this.#find(from);
    if (!slot) throw new KeyspaceError("ERR no such key");
    this.#slots.delete(from);
    this.#slots.delete(to);
    this.#sequence += 1;
    this.#slots.set(to, { ...slot, sequence: this.#sequence });
  }

  keys(): string[] {
    return [...this.#slots.keys()].filter((key) => this.exists(key));
  }

  flush(): void {
    this.#slots.clear();
  }

  /** Keys made before the scan began are met, unless they are gone by then. The cursor survives deletions. */
  scan(cursor: string, count: number): { readonly cursor: string; readonly keys: readonly string[] } {
    const keys: string[] = [];
    for (const [key, { sequence }] of [...this.#slots]) {
      if (sequence <= Number(cursor) || !this.exists(key)) continue;
      keys.push(key);
      if (keys.length >= count) return { cursor: String(sequence), keys };
    }
    return { cursor: "0", keys };
  }

  /** What a replica would have; nothing in it changes any more. */
  snapshot(): KeyspaceSnapshot {
    return { slots: copy(this.#slots) };
  }

  /** Everything is as it was then. */
  restore({ slots }: KeyspaceSnapshot): void {
    this.#slots = copy(slots);
    for (const { sequence } of slots.values()) this.#sequence = Math.max(this.#sequence, sequence);
  }

  // Strings

  get(key: string): string | undefined {
    return this.#read(key, "string")?.text;
  }

  set(key: string, text: string, expireMs?: number): void {
    this.#slots.delete(key);
    this.#make(key, { type: "string", text });
    if (expireMs !== undefined) this.pexpire(key, expireMs);
  }

  /** MGET: other types are absent. */
  mget(keys: readonly string[]): (string | undefined)[] {
    return keys.map((key) => (this.type(key) === "string" ? this.get(key) : undefined));
  }

  incr(key: string): string {
    const value = this.#read(key, "string") ?? this.#make(key, { type: "string", text: "0" });
    const isInteger = /^(0|-?[1-9]\d{0,18})$/.test(value.text);
    const next = isInteger ? BigInt(value.text) + 1n : undefined;
    if (next === undefined || BigInt.asIntN(64, next) !== next) {
      throw new KeyspaceError("ERR value is not an integer or out of range");
    }
    value.text = String(next);
    return value.text;
  }

  // Hashes

  hset(key: string, fields: Readonly<Record<string, string>>): void {
    const hash = this.#read(key, "hash") ?? this.#make(key, { type: "hash", fields: new Map() });
    for (const [field, value] of Object.entries(fields)) hash.fields.set(field, value);
  }

  hget(key: string, field: string): string | undefined {
    return this.#read(key, "hash")?.fields.get(field);
  }

  hmget(key: string, fields: readonly string[]): (string | undefined)[] {
    const hash = this.#read(key, "hash");
    return fields.map((field) => hash?.fields.get(field));
  }

  hgetall(key: string): Record<string, string> {
    return Object.fromEntries(this.#read(key, "hash")?.fields ?? []);
  }

  hdel(key: string, ...fields: readonly string[]): void {
    const hash = this.#read(key, "hash");
    for (const field of fields) hash?.fields.delete(field);
    if (hash?.fields.size === 0) this.#slots.delete(key);
  }

  // Sets

  sadd(key: string, ...members: readonly string[]): void {
    const set = this.#read(key, "set") ?? this.#make(key, { type: "set", members: new Set() });
    for (const member of members) set.members.add(member);
  }

  srem(key: string, ...members: readonly string[]): void {
    const set = this.#read(key, "set");
    for (const member of members) set?.members.delete(member);
    if (set?.members.size === 0) this.#slots.delete(key);
  }

  scard(key: string): number {
    return this.#read(key, "set")?.members.size ?? 0;
  }

  smembers(key: string): string[] {
    return [...(this.#read(key, "set")?.members ?? [])];
  }

  sismember(key: string, member: string): boolean {
    return this.#read(key, "set")?.members.has(member) ?? false;
  }

  // Sorted sets

  zadd(key: string, scores: Readonly<Record<string, number>> | ReadonlyMap<string, number>, only?: "GT"): void {
    const zset = this.#read(key, "zset") ?? this.#make(key, { type: "zset", scores: new Map() });
    for (const [member, score] of scores instanceof Map ? scores : Object.entries(scores)) {
      if (Number.isNaN(score)) throw new KeyspaceError("ERR value is not a valid float");
      const before = zset.scores.get(member);
      if (only === "GT" && before !== undefined && before >= score) continue;
      zset.scores.set(member, score);
    }
  }

  zrem(key: string, ...members: readonly string[]): void {
    const zset = this.#read(key, "zset");
    for (const member of members) zset?.scores.delete(member);
    if (zset?.scores.size === 0) this.#slots.delete(key);
  }

  zcard(key: string): number {
    return this.#read(key, "zset")?.scores.size ?? 0;
  }

  zscore(key: string, member: string): number | undefined {
    return this.#read(key, "zset")?.scores.get(member);
  }

  zmscore(key: string, members: readonly string[]): (number | undefined)[] {
    const zset = this.#read(key, "zset");
    return members.map((member) => zset?.scores.get(member));
  }

  /** Members with a score of at most `max`, lowest first. */
  zrange(key: string, { max, count }: { readonly max: number; readonly count: number }): string[] {
    const found = [...(this.#read(key, "zset")?.scores ?? [])].filter(([, score]) => score <= max);
    found.sort(([a, scoreOfA], [b, scoreOfB]) => scoreOfA - scoreOfB || Buffer.from(a).compare(Buffer.from(b)));
    return found.slice(0, count).map(([member]) => member);
  }

  #find(key: string): Slot | undefined {
    const slot = this.#slots.get(key);
    if (slot?.expiresAt === undefined || slot.expiresAt > this.#now()) return slot;
    this.#slots.delete(key);
    return undefined;
  }

  #read<T extends Value["type"]>(key: string, type: T): Extract<Value, { type: T }> | undefined {
    const value = this.#find(key)?.value;
    if (value === undefined) return undefined;
    if (value.type === type) return value as Extract<Value, { type: T }>; // Narrowing does not reach a type parameter.
    throw new KeyspaceError("WRONGTYPE Operation against a key holding the wrong kind of value");
  }

  #make<V extends Value>(key: string, value: V): V {
    this.#sequence += 1;
    this.#slots.set(key, { value, sequence: this.#sequence, expiresAt: undefined });
    return value;
  }
}

/** What Valkey answers with an error reply. */
export class KeyspaceError extends Error {
  override readonly name = "KeyspaceError";
}

export interface KeyspaceSnapshot {
  readonly slots: ReadonlyMap<string, Slot>;
}

type Value =
  | { readonly type: "string"; text: string }
  | { readonly type: "hash"; readonly fields: Map<string, string> }
  | { readonly type: "set"; readonly members: Set<string> }
  | { readonly type: "zset"; readonly scores: Map<string, number> };

interface Slot {
  readonly value: Value;
  readonly sequence: number;
  expiresAt: number | undefined;
}

function copy(slots: ReadonlyMap<string, Slot>): Map<string, Slot> {
  return new Map([...slots].map(([key, slot]) => [key, { ...slot, value: copyValue(slot.value) }]));
}

function copyValue(value: Value): Value {
  switch (value.type) {
    case "string":
      return { ...value };
    case "hash":
      return { ...value, fields: new Map(value.fields) };
    case "set":
      return { ...value, members: new Set(value.members) };
    case "zset":
      return { ...value, scores: new Map(value.scores) };
  }
}
