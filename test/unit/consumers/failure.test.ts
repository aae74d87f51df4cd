import { describe, expect, test } from "@jest/globals";
import { backoffMs } from "../../../consumers/backoff.ts";
import { consumerError } from "../../../consumers/errors.ts";
import { type Reaction, reactionTo } from "../../../consumers/failure.ts";
import { kafkaError } from "../../../consumers/kafka-error.ts";
import { defaultSupervision, type SessionEnd, Supervision } from "../../../consumers/supervision.ts";

const named = (name: string, more: object = {}): Error => Object.assign(new Error(name), { name }, more);
const wrapped = (cause: Error): Error =>
  Object.assign(new Error(cause.message, { cause }), { name: "KafkaJSNumberOfRetriesExceeded" });

test.each<[string, unknown, Reaction]>([
  ["a rebalance", named("KafkaJSProtocolError", { type: "REBALANCE_IN_PROGRESS" }), "rejoin"],
  ["an old generation", named("KafkaJSProtocolError", { type: "ILLEGAL_GENERATION" }), "rejoin"],
  ["an unknown member", named("KafkaJSProtocolError", { type: "UNKNOWN_MEMBER_ID" }), "rejoin"],
  ["a connection", named("KafkaJSConnectionError", { code: "ECONNREFUSED" }), "retry"],
  ["credentials", named("KafkaJSSASLAuthenticationError"), "crash"],
  ["credentials, after retries", wrapped(named("KafkaJSSASLAuthenticationError")), "crash"],
  ["a size", named("KafkaJSProtocolError", { type: "MESSAGE_TOO_LARGE" }), "dead-letter"],
  [
    "a size, in our words",
    kafkaError(named("KafkaJSProtocolError", { type: "MESSAGE_TOO_LARGE" }), "Sending"),
    "dead-letter",
  ],
  ["a codec that is missing", wrapped(named("KafkaJSNotImplemented")), "crash"],
  ["an error of ours that may pass", consumerError("UNSTALE_KAFKA_UNREACHABLE", "gone"), "retry"],
  ["an error of ours that does not", consumerError("UNSTALE_KAFKA_OPTIONS", "wrong"), "crash"],
  ["a bug", new TypeError("x is undefined"), "retry"],
  ["a name of Object.prototype", named("constructor"), "retry"],
  ["something that is no error", "text", "retry"],
  ["nothing", undefined, "retry"],
])("%s", (_, error, reaction) => {
  expect(reactionTo(error)).toBe(reaction);
});

test("a client that reached none of its seeds met an outage, though its error has no name", () => {
  expect(kafkaError(new Error("Broker not connected"), "Listing topics").code).toBe("UNSTALE_KAFKA_UNREACHABLE");
});

test("a cause that is its own cause ends", () => {
  const error = new Error("loop");
  error.cause = error;
  expect(reactionTo(error)).toBe("retry");
});

test.each([
  ["KafkaJSConnectionError", "UNSTALE_KAFKA_UNREACHABLE"],
  ["KafkaJSSASLAuthenticationError", "UNSTALE_KAFKA_AUTHENTICATION"],
  ["KafkaJSNotImplemented", "UNSTALE_KAFKA_UNSUPPORTED"],
  ["KafkaJSGroupCoordinatorNotFound", "UNSTALE_KAFKA_UNREACHABLE"],
  ["SomethingElse", "UNSTALE_KAFKA_REQUEST_FAILED"],
])("%s is told as %s, with the client's own error as its cause", (name, code) => {
  const cause = wrapped(named(name));
  expect(kafkaError(cause, "Connecting")).toMatchObject({ code, cause });
});

test("backoff doubles up to its bound, with full jitter", () => {
  const policy = { baseMs: 100, maxMs: 1_000 };
  expect([1, 2, 3, 4, 5, 99].map((attempt) => backoffMs(attempt, policy, () => 1))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ]);
  expect(backoffMs(3, policy, () => 0.5)).toBe(200);
  expect(backoffMs(3, policy, () => 0)).toBe(0);
});

describe("supervision", () => {
  const policy = { ...defaultSupervision, maxCrashes: 3, windowMs: 1_000 };
  const crash = (error: Error, joined = false): SessionEnd => ({ kind: "crashed", error, joined });
  const outage = consumerError("UNSTALE_KAFKA_UNREACHABLE", "gone");
  const refused = consumerError("UNSTALE_KAFKA_AUTHENTICATION", "wrong password");
  const bug = new TypeError("a bug");
  const supervision = (): Supervision => new Supervision(policy, () => 1);

  test("an outage is waited out, however long it takes", () => {
    const one = supervision();
    const decisions = Array.from({ length: 50 }, () => one.decide(crash(outage), 0));
    expect(decisions.every(({ kind }) => kind === "begin")).toBe(true);
    expect(decisions.slice(0, 3)).toMatchObject([{ afterMs: 500 }, { afterMs: 1_000 }, { afterMs: 2_000 }]);
  });

  test("other crashes are counted: too many of them within the window, and it gives up", () => {
    const one = supervision();
    expect(one.decide(crash(bug, true), 0).kind).toBe("begin");
    expect(one.decide(crash(bug, true), 900).kind).toBe("begin");
    // The first one has left the window.
    expect(one.decide(crash(bug, true), 1_100).kind).toBe("begin");
    expect(one.decide(crash(bug, true), 1_200)).toMatchObject({
      kind: "give-up",
      error: { code: "UNSTALE_KAFKA_GAVE_UP", cause: bug },
    });
  });

  test("refused credentials are the end before anything worked, and counted afterwards", () => {
    expect(supervision().decide(crash(refused), 0)).toEqual({ kind: "give-up", error: refused });
    const one = supervision();
    one.decide(crash(outage, true), 0);
    expect(one.decide(crash(refused), 0).kind).toBe("begin");
    expect(one.decide(crash(refused), 0).kind).toBe("begin");
    expect(one.decide(crash(refused), 0).kind).toBe("give-up");
  });

  test("a session that joined begins the backoff anew", () => {
    const one = supervision();
    for (let attempt = 0; attempt < 5; attempt += 1) one.decide(crash(outage), 0);
    expect(one.decide(crash(outage, true), 0)).toMatchObject({ afterMs: 500, attempt: 1 });
  });

  test("missing topics are looked for again; a recycled consumer begins at once; a stopped one is the end", () => {
    const one = supervision();
    expect(one.decide({ kind: "waiting", reason: "" }, 0)).toMatchObject({
      kind: "begin",
      afterMs: policy.topicPollMs,
    });
    expect(one.decide({ kind: "recycled" }, 0)).toMatchObject({ kind: "begin", afterMs: 0 });
    expect(one.decide({ kind: "stopped" }, 0)).toEqual({ kind: "stop" });
  });
});
