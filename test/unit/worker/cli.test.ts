import { EventEmitter } from "node:events";
import { describe, expect, test } from "@jest/globals";
import { runCommandLine } from "../../../worker/cli.ts";
import { ManualClock } from "../../support/manual-clock.ts";

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function unstale(
  args: readonly string[],
  given: { readonly env?: Readonly<Record<string, string>>; readonly files?: Readonly<Record<string, string>> } = {},
): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCommandLine(args, {
    env: given.env ?? {},
    version: "1.2.3",
    print: (text) => out.push(text),
    complain: (text) => err.push(text),
    isTerminal: false,
    readFile: (path) => {
      const text = given.files?.[path];
      if (text === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`);
      return text;
    },
    signals: new EventEmitter(),
    logDestination: () => ({ write: (line: string) => void out.push(line), flushSync: () => undefined }),
    exit: () => undefined,
    clock: new ManualClock(),
  });
  return { code, out: out.join(""), err: err.join("") };
}

describe("unstale", () => {
  test("--help names the commands and the exit codes", async () => {
    const { code, out } = await unstale(["--help"]);
    expect(code).toBe(0);
    for (const word of ["run", "invalidate", "config", "doctor", "lag", "replay", "dlq", "Exit codes: 0", "130"])
      expect(out).toContain(word);
  });

  test("--version", async () => {
    expect(await unstale(["--version"])).toEqual({ code: 0, out: "1.2.3\n", err: "" });
  });

  test.each([
    [["frobnicate"], "unknown command"],
    [["run", "--bogus"], "unknown option"],
    [["run", "extra"], "too many arguments"],
    [["invalidate", "a", "--timeout", "soon"], "Expected seconds"],
    [["config", "--config"], "argument missing"],
  ])("%j is wrong usage", async (args, text) => {
    const { code, out, err } = await unstale(args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(text);
    expect(err).not.toContain("    at ");
  });
});

describe("settings", () => {
  test("all problems are said at once, whatever the command", async () => {
    const env = { UNSTALE_HTTP_PROT: "1", UNSTALE_KAFKA_BROKERS: "nohost" };
    for (const command of ["run", "config", "doctor"]) {
      const { code, err } = await unstale([command, "--set", "nonsense", "--config", "/missing.yaml"], { env });
      expect(code).toBe(2);
      for (const part of ["4 settings are wrong", "UNSTALE_HTTP_PORT?", "UNSTALE_KAFKA_BROKERS", "--set", "ENOENT"]) {
        expect(err).toContain(part);
      }
      expect(err).not.toContain("    at ");
    }
  });

  test("with --json the problems are JSON", async () => {
    const { code, err } = await unstale(["config", "--json"], { env: { UNSTALE_LOG_LEVEL: "loud" } });
    expect(code).toBe(2);
    expect(JSON.parse(err)).toMatchObject({
      error: { code: "UNSTALE_SETTINGS", problems: [{ name: "UNSTALE_LOG_LEVEL", got: '"loud"' }] },
    });
  });

  test("config shows what is in force and where it comes from, and no secret", async () => {
    const files = { "/etc/unstale.yaml": "kafka: { groupId: shop }\nvalkey: { url: 'redis://:hunter2@cache' }\n" };
    const args = ["config", "--config", "/etc/unstale.yaml", "--set", "http.port=9000"];
    const { code, out } = await unstale(args, { files, env: { UNSTALE_DRAIN_TIMEOUT: "90s" } });
    expect(code).toBe(0);
    expect(out).toMatch(/^kafka.groupId +shop +\(file\)$/m);
    expect(out).toMatch(/^http.port +9000 +\(flag\)$/m);
    expect(out).toMatch(/^drainTimeout +90s +\(environment\)$/m);
    expect(out).toMatch(/^valkey.url +redis:\/\/:\[redacted\]@cache +\(file\)$/m);
    expect(out).not.toContain("hunter2");
    const json = await unstale([...args, "--json"], { files });
    expect(json.out).not.toContain("hunter2");
    expect(JSON.parse(json.out).settings).toContainEqual({
      name: "http.port",
      env: "UNSTALE_HTTP_PORT",
      value: 9000,
      origin: "flag",
    });
  });
});

describe("invalidate", () => {
  test.each([
    [["invalidate"], "Nothing to invalidate"],
    [["invalidate", ""], "empty"],
    [["invalidate", " x"], "starts with a space"],
    [["invalidate", "x".repeat(600)], "longer than 512 bytes"],
    [["invalidate", "--namespace", "a::b"], "an empty level"],
    [["invalidate", "--all"], "--direct"],
    [["invalidate", "a", "--topic", "other"], "cms.documents"],
    [["invalidate", "a", "--set", "embedded=true"], "HTTP"],
    [["doctor", "--set", "embedded=true"], "nothing to look at"],
    [["lag", "--topic", "other"], "cms.documents"],
    [["lag", "--set", "embedded=true"], "in its memory"],
    [["replay"], "--from"],
    [["replay", "--from", "soon"], "expected an offset"],
    [["replay", "--from", "42"], "--partition"],
    [["replay", "--from", "42", "--partition", "0", "--set", "kafka.topics=a,b"], "--topic"],
    [["replay", "--from", "1h", "--partition", "-1"], "whole number"],
    [["dlq", "list", "--limit", "0"], "from 1 on"],
    [["dlq", "list", "--since", "42"], "expected a time"],
    [["dlq", "show", "cms.documents/0/1"], "cms.documents.dlq/0/12"],
    [["dlq", "replay", "--rate", "many"], "--rate"],
    [["dlq", "burn"], "unknown command"],
  ])("%j is refused before anything is connected", async (args, text) => {
    const { code, err } = await unstale(args);
    expect(code).toBe(2);
    expect(err).toContain(text);
  });
});
