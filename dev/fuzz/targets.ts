import { decodeLease, documentIdProblem, encodeLease } from "@unstale/cache-core";
import { splitValues } from "../../consumers/embedded-request.ts";
import { createSubscriptions, type DecodeFailure, type SourceRecord } from "../../consumers/index.ts";
import { collectTraces } from "../../consumers/trace-context.ts";
import { anyObject, anyText, anyValue, type Chance, damaged } from "./generate.ts";

/** Makes an input, gives it to a part of the product, and names what became of it. Throws where that is wrong. */
export interface Target {
  readonly name: string;
  make(chance: Chance): Buffer;
  /** One name of few: outcomes are counted. */
  play(input: Buffer): string | Promise<string>;
}

const reasons: Readonly<Record<Exclude<DecodeFailure, "decoder-error">, true>> = {
  "not-json": true,
  "not-an-object": true,
  "no-id": true,
  "invalid-id": true,
  "invalid-version": true,
  "invalid-namespace": true,
  "invalid-all": true,
  "not-wide": true,
  "foreign-format": true,
};

const subscriptions = createSubscriptions([
  { topic: "plain", format: "json", wide: false },
  { topic: "wide", format: "json", wide: true, id: "{type}:{id}" },
]);

/** The first two bytes say which topic and what is left out; the rest is key and value, parted by a newline. */
const decoder: Target = {
  name: "decoder json",
  make: (chance) => {
    const value = Buffer.from(JSON.stringify(chance.below(8) === 0 ? anyValue(chance) : anyObject(chance)) ?? "");
    const key = anyText(chance).replaceAll("\n", "");
    const head = Buffer.from([chance.below(256), chance.below(256)]);
    return Buffer.concat([head, Buffer.from(`${key}\n`), damaged(chance, value)]);
  },
  play: (input) => {
    const [first = 0, second = 0] = input;
    const cut = input.indexOf(10, 2);
    const topic = first % 2 === 0 ? "plain" : "wide";
    const record: SourceRecord = {
      topic,
      partition: 0,
      offset: 0n,
      key: second % 4 === 0 ? null : input.subarray(2, cut),
      value: second % 16 === 1 ? null : input.subarray(cut + 1),
      headers: second % 8 === 2 ? { "content-type": [input.subarray(2, 12)], traceparent: [input] } : {},
      timestamp: 0,
    };
    collectTraces([record]);
    const decoded = subscriptions.decode(record);
    for (const change of decoded.changes) {
      if (change.kind === "document") expect(documentIdProblem(change.id) === undefined, "an unusable id came through");
      else expect(topic === "wide", `${change.kind} came from a topic that is not wide`);
    }
    if (decoded.kind === "changes") {
      expect(decoded.changes.length > 0, "neither a change nor a reason");
      return "changes";
    }
    expect(Object.hasOwn(reasons, decoded.reason), `reason ${decoded.reason}: ${decoded.detail}`);
    return decoded.reason;
  },
};

const lease: Target = {
  name: "lease",
  make: (chance) => {
    const number = (): string =>
      chance.below(8) === 0
        ? chance.oneOf(["-1", "1E3", "2gosa7pa2gw", "9".repeat(400)])
        : chance.oneOf(["0", "zz", "2gosa7pa2gv"]);
    const version = (): string => (chance.below(12) === 0 ? chance.oneOf(["x", ""]) : "4503599627370495");
    const subject = chance.below(8) === 0 ? chance.oneOf(["0123456789ABCDEF", "", "0123"]) : "0123456789abcdef";
    const versions = [version(), ...chance.list(3, version)].join(".");
    const rest = chance.below(8) === 0 ? ["none"] : [number(), number(), number(), number(), versions];
    const text = ["u1", subject, ...rest].join(chance.below(12) === 0 ? ":" : "-");
    return damaged(chance, Buffer.from(chance.below(8) === 0 ? anyText(chance) : text));
  },
  play: (input) => {
    const read = decodeLease(input.toString("utf8"));
    if (read === undefined) return "refused";
    const again = decodeLease(encodeLease(read));
    expect(JSON.stringify(again) === JSON.stringify(read), "reads otherwise when written again");
    return read.snapshot === undefined ? "without a snapshot" : "with a snapshot";
  },
};

const body: Target = {
  name: "embedded body",
  make: (chance) => {
    const values = chance.list(5, () => JSON.stringify(anyValue(chance)));
    return damaged(chance, Buffer.from(values.join(chance.oneOf(["\n", "\r\n", "\n\n", ""]))));
  },
  play: (input) => {
    const values = splitValues(input);
    expect(
      values.every((value) => value.length > 0),
      "an empty value came through",
    );
    return values.length === 0 ? "nothing" : values.length === 1 ? "one value" : "many values";
  },
};

export const pureTargets: readonly Target[] = [decoder, lease, body];

export function expect(isSo: boolean, otherwise: string): void {
  if (!isSo) throw new Error(otherwise);
}
