import { describe, expect, test } from "@jest/globals";
import {
  createKeys,
  decodeLease,
  defaultLayout,
  documentIdProblem,
  encodeLease,
  type KeyLayout,
  namespaceProblem,
  type Snapshot,
  subjectOf,
} from "@unstale/cache-core";
import fc from "fast-check";
import { decodeResponse, encodeResponse, normaliseSources } from "../../cache-core/entry.ts";
import { createTtlRule } from "../../cache-core/ttl.ts";

const counter = fc.bigInt({ min: 0n, max: 2n ** 53n }).map(String);
const safe = fc.maxSafeNat();
const text = fc.string({ unit: "grapheme", minLength: 1 });
/** Ids and names made of what keys are made of. */
const nasty = fc
  .array(
    fc.oneof(fc.constantFrom("{", "}", ":", "*", "?", "[", "]", "\\", " ", "v", "v1", "version", "-", "."), text),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  .map((parts) => parts.join(""));
const documentId = nasty.filter((id) => documentIdProblem(id) === undefined);
const namespace = fc
  .array(fc.stringMatching(/^[a-z0-9_.@ ü-]{1,8}$/), { minLength: 1, maxLength: 8 })
  .map((levels) => levels.join(":"))
  .filter((name) => namespaceProblem(name) === undefined);
const scope = fc.record({ bucket: fc.nat({ max: 15 }), namespace: fc.option(namespace, { nil: undefined }) });
const layout: fc.Arbitrary<KeyLayout> = fc.constantFrom(1, 16).map((buckets) => ({ ...defaultLayout, buckets }));

describe("TTLs", () => {
  const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

  test("a number and the same time in any unit are the same TTL, within 1 ms and maxTtl", () => {
    const rule = createTtlRule();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 604_800 }), fc.constantFrom("ms", "s", "m", "h", "d"), (amount, unit) => {
        const ms = amount * units[unit];
        fc.pre(ms <= rule.maxTtlMs);
        expect(rule.resolve(`${amount}${unit}`)).toBe(ms);
        expect(rule.resolve(ms / 1_000)).toBe(ms);
      }),
    );
  });

  test("jitter never lengthens, and takes at most its part", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        fc.double({ min: 0, max: 0.999_999, noNaN: true }),
        fc.integer({ min: 1, max: 604_800 }),
        (jitter, chance, seconds) => {
          const ms = createTtlRule({ jitter, random: () => chance }).resolve(seconds);
          expect(Number.isSafeInteger(ms)).toBe(true);
          expect(ms).toBeLessThanOrEqual(seconds * 1_000);
          expect(ms).toBeGreaterThanOrEqual(seconds * 1_000 * (1 - jitter) - 1);
        },
      ),
    );
  });

  test("any value at all is a TTL in range or a clear error", () => {
    const rule = createTtlRule();
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.double(), fc.string()), (ttl) => {
        let ms: number;
        try {
          ms = rule.resolve(ttl as never);
        } catch (error) {
          expect(error).toMatchObject({ code: "UNSTALE_INVALID_ARGUMENT" });
          return;
        }
        expect(ms).toBeGreaterThanOrEqual(1);
        expect(ms).toBeLessThanOrEqual(rule.maxTtlMs);
      }),
    );
  });
});

describe("leases", () => {
  const snapshot: fc.Arbitrary<Snapshot> = fc.record({
    clock: safe,
    birth: safe,
    replicationId: safe,
    at: safe,
    versions: fc.array(counter, { minLength: 1, maxLength: 9 }),
  });

  test("come back from text as they were", () => {
    fc.assert(
      fc.property(fc.option(snapshot, { nil: undefined }), text, (taken, query) => {
        const lease = { subject: subjectOf(undefined, query), ...(taken ? { snapshot: taken } : {}) };
        expect(decodeLease(encodeLease(lease))).toEqual(lease);
      }),
    );
  });

  test("text that is damaged in one place is another lease or none, never an exception", () => {
    fc.assert(
      fc.property(snapshot, fc.nat(), fc.string({ maxLength: 3 }), (taken, place, graft) => {
        const whole = encodeLease({ subject: subjectOf("docs", "q"), snapshot: taken });
        const at = place % whole.length;
        const damaged = whole.slice(0, at) + graft + whole.slice(at + 1);
        const lease = decodeLease(damaged);
        if (lease?.snapshot) expect(Object.values(lease.snapshot).flat()).not.toContain(Number.NaN);
      }),
    );
  });

  test("two questions have one subject only if they are the same question", () => {
    const question = fc.record({ namespace: fc.option(namespace, { nil: undefined }), query: nasty });
    fc.assert(
      fc.property(question, question, (one, other) => {
        const same = one.namespace === other.namespace && one.query === other.query;
        expect(subjectOf(one.namespace, one.query) === subjectOf(other.namespace, other.query)).toBe(same);
      }),
    );
  });
});

describe("keys", () => {
  const versions = fc.array(counter, { minLength: 1, maxLength: 9 });

  test("an entry key says its namespace and versions", () => {
    fc.assert(
      fc.property(layout, scope, nasty, versions, (drawn, place, query, tags) => {
        const keys = createKeys(drawn);
        const parsed = keys.parseEntry(place.bucket, keys.entry(place, query, tags));
        expect(parsed).toEqual({
          ...(place.namespace === undefined ? {} : { namespace: place.namespace }),
          versions: tags.join("."),
        });
      }),
    );
  });

  test("no version counter, state or lock is ever taken for an entry", () => {
    fc.assert(
      fc.property(layout, scope, nasty, (drawn, place, query) => {
        const keys = createKeys(drawn);
        const others = [
          ...keys.versionCounters(place),
          keys.fence(place.bucket),
          keys.state(place.bucket),
          keys.fillLock(place, query),
          keys.config,
        ];
        for (const key of others) expect(keys.parseEntry(place.bucket, key)).toBeUndefined();
      }),
    );
  });

  test("dependency sets of two documents never meet, whatever the ids", () => {
    fc.assert(
      fc.property(layout, fc.nat({ max: 15 }), documentId, documentId, (drawn, bucket, one, other) => {
        const keys = createKeys(drawn);
        const meet = keys.dependencySets(bucket, one).some((set) => keys.dependencySets(bucket, other).includes(set));
        expect(meet).toBe(one === other);
      }),
    );
  });

  test("in a cluster every key of a bucket hashes to its tag, whatever the ids", () => {
    fc.assert(
      fc.property(scope, nasty, documentId, versions, (place, query, id, tags) => {
        const keys = createKeys({ ...defaultLayout, buckets: 16 });
        const all = [
          keys.entry(place, query, tags),
          keys.fence(place.bucket),
          keys.fillLock(place, query),
          ...keys.versionCounters(place),
          ...keys.dependencySets(place.bucket, id),
        ];
        // As Valkey does: between the first brace and the next closing one.
        const tagOf = (key: string) => /\{([^}]+)\}/.exec(key)?.[1];
        expect(new Set(all.map(tagOf))).toEqual(new Set([String(place.bucket)]));
      }),
    );
  });

  test("the bucket of a question is one of the buckets, and always the same", () => {
    fc.assert(
      fc.property(layout, scope, nasty, (drawn, { namespace: name }, query) => {
        const bucket = createKeys(drawn).bucketOf({ namespace: name }, query);
        expect(bucket).toBeGreaterThanOrEqual(0);
        expect(bucket).toBeLessThan(drawn.buckets);
        expect(createKeys(drawn).bucketOf({ namespace: name }, query)).toBe(bucket);
      }),
    );
  });
});

describe("entries", () => {
  test("what JSON can say comes back, and text comes back verbatim", () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue({ noUnicodeString: false }), fc.string({ unit: "binary" })), (value) => {
        const { text: stored, codec } = encodeResponse(value);
        expect(stored.isWellFormed()).toBe(true);
        if (typeof value === "string" && value.isWellFormed()) expect(stored).toBe(value);
        const expected = typeof value === "string" ? value : JSON.parse(JSON.stringify(value));
        expect(decodeResponse(stored, codec)).toEqual({ value: expected });
      }),
    );
  });

  test("any value at all can be stored or is a clear error", () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
        (value) => {
          try {
            expect(typeof encodeResponse(value).text).toBe("string");
          } catch (error) {
            expect(error).toMatchObject({ code: "UNSTALE_INVALID_ARGUMENT" });
          }
        },
      ),
    );
  });

  test("sources are kept once each, in their order, or are a clear error", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(documentId, nasty)), (ids) => {
        let kept: string[];
        try {
          kept = normaliseSources(ids);
        } catch (error) {
          expect(ids.some((id) => documentIdProblem(id) !== undefined)).toBe(true);
          expect(error).toMatchObject({ code: "UNSTALE_INVALID_ARGUMENT" });
          return;
        }
        expect(kept).toEqual(ids.filter((id, index) => ids.indexOf(id) === index));
      }),
    );
  });
});
