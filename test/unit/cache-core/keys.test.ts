import { describe, expect, test } from "@jest/globals";
import {
  checkDocumentId,
  checkNamespace,
  checkQuery,
  createKeys,
  defaultLayout,
  documentIdProblem,
  hashOf,
  levelsOf,
  namespaceProblem,
} from "@unstale/cache-core";

const standalone = createKeys(defaultLayout);
const clustered = createKeys({ ...defaultLayout, buckets: 8 });
const scope = { bucket: 3, namespace: "docs:technical" };

describe("keys", () => {
  test("standalone are those of the plain schema, and carry no tag", () => {
    expect(hashOf("how much?")).toMatch(/^[0-9a-f]{16}$/);
    expect(standalone.entry({ bucket: 0 }, "q", ["42"])).toBe(`cache:v42:${hashOf("q")}`);
    expect(standalone.entry({ bucket: 0, namespace: "docs" }, "q", ["42", "7"])).toBe(
      `cache:docs:v42.7:${hashOf("q")}`,
    );
    expect(standalone.versionCounters({ bucket: 0, namespace: "docs:x" })).toEqual([
      "cache:version",
      "cache:version:docs",
      "cache:version:docs:x",
    ]);
    expect(standalone.dependencySets(0, "article:42")).toEqual(["doc_deps:article:42", "deps:article:42"]);
    expect([standalone.fence(0), standalone.config]).toEqual(["unstale:fence", "unstale:config"]);
  });

  test("of a bucket carry its tag, and no other brace before it", () => {
    const all = [
      clustered.entry(scope, "q", ["1", "2", "3"]),
      ...clustered.versionCounters(scope),
      ...clustered.dependencySets(3, "a{5}b"),
      clustered.fence(3),
      clustered.documentVersions(3),
      clustered.state(3),
      clustered.draining(3),
      clustered.drainPrefix(3),
      clustered.fillLock(scope, "q"),
    ];
    for (const key of all) expect(key.slice(key.indexOf("{"))).toMatch(/^\{3\}/);
  });

  test("place an entry in the same bucket always, and all entries in many", () => {
    const buckets = Array.from({ length: 200 }, (_, index) => clustered.bucketOf({}, `q ${index}`));
    expect(new Set(buckets).size).toBe(8);
    expect(clustered.bucketOf({}, "q")).toBe(clustered.bucketOf({}, "q"));
    expect(standalone.bucketOf({ namespace: "docs" }, "q")).toBe(0);
  });

  test("say what they are when they are entries, and nothing when they are not", () => {
    const hash = hashOf("q");
    expect(standalone.parseEntry(0, `cache:v1:${hash}`)).toEqual({ versions: "1" });
    expect(standalone.parseEntry(0, `cache:docs:x:v1.2.3:${hash}`)).toEqual({ namespace: "docs:x", versions: "1.2.3" });
    expect(standalone.parseEntry(0, `cache:docs:${hash}`)).toEqual({});
    for (const key of ["cache:version", "cache:version:docs", "session:1", "doc_deps:a"]) {
      expect(standalone.parseEntry(0, key)).toBeUndefined();
    }
    expect(clustered.parseEntry(3, `cache:v1:{3}${hash}`)).toEqual({ versions: "1" });
    expect(clustered.parseEntry(3, `cache:v1:{4}${hash}`)).toBeUndefined();
    expect(clustered.parseEntry(3, `cache:v1:{4}${hash}{3}`)).toBeUndefined();
  });

  test("are found again by the pattern of their sweep, whatever stands in the prefix", () => {
    const odd = createKeys({ ...defaultLayout, entryPrefix: "a[b]*?\\-^:" });
    expect(odd.sweepPattern("docs")).toBe("a\\[b\\]\\*\\?\\\\\\-\\^:docs:*");
  });
});

test("levels of a namespace go from the outermost in", () => {
  expect(levelsOf(undefined)).toEqual([]);
  expect(levelsOf("a:b:c")).toEqual(["a", "a:b", "a:b:c"]);
});

describe("names (H20)", () => {
  test.each(["docs", "docs:technical", "a:b:c:d:e:f:g:h", "ünï", "with space", "versions", "v", "v1a"])(
    "namespace %j is one",
    (name) => {
      expect(namespaceProblem(name)).toBeUndefined();
      expect(checkNamespace(name)).toBe(name);
    },
  );

  test.each([
    "",
    ":",
    "docs:",
    ":docs",
    "a::b",
    "version",
    "docs:version",
    "v42",
    "docs:v42.0.3",
    "a:b:c:d:e:f:g:h:i",
    "a*",
    "a?",
    "[a]",
    "{1}",
    "a\\b",
    "a\nb",
    "\u007f",
    "\ud800",
    "x".repeat(257),
  ])("namespace %j is refused", (name) => {
    expect(namespaceProblem(name)).toEqual(expect.any(String));
    expect(() => checkNamespace(name)).toThrow(expect.objectContaining({ code: "UNSTALE_INVALID_ARGUMENT" }));
  });

  test.each(["a", "article:42", "{1}", "a*b", "line\nbreak", "é".repeat(256), "a b "])(
    "document id %j is one",
    (id) => {
      expect(checkDocumentId(id)).toBe(id);
    },
  );

  test.each(["", " a", "\ud800", "é".repeat(257)])("document id %j is refused", (id) => {
    expect(documentIdProblem(id)).toEqual(expect.any(String));
    expect(() => checkDocumentId(id)).toThrow(expect.objectContaining({ code: "UNSTALE_INVALID_ARGUMENT" }));
  });

  test.each(["", 7, undefined, "\ud800", "x".repeat(64 * 1_024 + 1)])(
    "a query that is no text of its length is refused (%#)",
    (query) => {
      expect(() => checkQuery(query)).toThrow(expect.objectContaining({ code: "UNSTALE_INVALID_ARGUMENT" }));
    },
  );
});
