import type { IncomingMessage } from "node:http";

/** Bytes, or how many were too many. */
export type Body = { readonly bytes: Buffer } | { readonly tooLarge: number };

/** Reads on to the end when it is too much, so that the answer arrives instead of a reset connection. */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<Body> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= limitBytes) chunks.push(chunk);
    // Nobody sends that by mistake.
    if (length > limitBytes * 16) break;
  }
  return length > limitBytes ? { tooLarge: length } : { bytes: Buffer.concat(chunks) };
}

/**
 * The values of a body: a JSON array gives one for each element, a JSON object (over several lines, if it likes) one,
 * anything else one for each line that is not empty. Values stay bytes: judging them is the decoder's business.
 */
export function splitValues(bytes: Buffer): Buffer[] {
  const whole = parsed(bytes);
  if (Array.isArray(whole)) return whole.map((element) => Buffer.from(JSON.stringify(element)));
  if (whole !== undefined) return [bytes];
  return linesOf(bytes);
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0; from < bytes.length; ) {
    const newline = bytes.indexOf(10, from);
    const to = newline === -1 ? bytes.length : newline;
    const line = bytes.subarray(from, bytes[to - 1] === 13 ? to - 1 : to);
    if (line.length > 0) lines.push(line);
    from = to + 1;
  }
  return lines;
}
