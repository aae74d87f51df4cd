import { createRequire } from "node:module";
import zlib from "node:zlib";

/** What kafkajs asks of a codec. It hands the encoder over, whose bytes are in `buffer`. */
export interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

export type CodecName = "zstd" | "snappy" | "lz4";

/** Packages that a program may install beside unstale, the first found is used. gzip needs none. */
const peers = {
  snappy: ["kafkajs-snappy"],
  lz4: ["kafkajs-lz4"],
  zstd: ["@kafkajs/zstd"],
} as const satisfies Record<CodecName, readonly string[]>;

type Zstd = (buffer: Buffer, done: (error: Error | null, result: Buffer) => void) => void;

/** The codec, or what to do to have it. zstd is in Node from 22.15 and 23.8 on. */
export function findCodec(name: CodecName): { readonly codec: Codec } | { readonly missing: string } {
  const native = name === "zstd" ? nodeZstd() : undefined;
  if (native !== undefined) return { codec: native };
  const require = createRequire(import.meta.url);
  for (const peer of peers[name]) {
    try {
      const loaded: unknown = require(peer);
      const codec = codecIn(loaded);
      if (codec !== undefined) return { codec };
    } catch {
      // Not installed: the next one, or the message below once a batch needs it.
    }
  }
  const node = name === "zstd" ? " run it on Node 22.15 or newer, or" : "";
  return { missing: `A batch is compressed with ${name}:${node} install the package ${peers[name].join(" or ")}.` };
}

function nodeZstd(): Codec | undefined {
  const { zstdCompress, zstdDecompress } = zlib as { zstdCompress?: Zstd; zstdDecompress?: Zstd };
  if (zstdCompress === undefined || zstdDecompress === undefined) return undefined;
  return {
    compress: (encoder) => promised(zstdCompress, encoder.buffer),
    decompress: (buffer) => promised(zstdDecompress, buffer),
  };
}

function promised(work: Zstd, buffer: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    work(buffer, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}

/** The packages export a factory, plain or as `default` or `codec`. */
function codecIn(loaded: unknown): Codec | undefined {
  const candidates = [loaded, (loaded as { default?: unknown } | null)?.default];
  for (const candidate of candidates) {
    const made: unknown = typeof candidate === "function" ? candidate() : candidate;
    if (isCodec(made)) return made;
  }
  return undefined;
}

function isCodec(value: unknown): value is Codec {
  if (typeof value !== "object" || value === null) return false;
  const { compress, decompress } = value as Partial<Codec>;
  return typeof compress === "function" && typeof decompress === "function";
}
