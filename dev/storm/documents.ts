import { closeSync, openSync, readSync, writeSync } from "node:fs";

const bytes = 4;

/**
 * The system of record: one version for each document, in a file that all processes share. A write is seen by every read
 * that begins after it, as in a database without replicas; one process writes.
 */
export class Documents {
  readonly #file: number;

  private constructor(file: number) {
    this.#file = file;
  }

  /** All documents at version 1. */
  static create(path: string, count: number): Documents {
    const file = openSync(path, "w+");
    const ones = Buffer.alloc(bytes * count);
    for (let at = 0; at < count; at += 1) ones.writeUInt32LE(1, at * bytes);
    writeSync(file, ones, 0, ones.length, 0);
    return new Documents(file);
  }

  static open(path: string): Documents {
    return new Documents(openSync(path, "r"));
  }

  version(document: string): number {
    const slot = Buffer.alloc(bytes);
    readSync(this.#file, slot, 0, bytes, positionOf(document));
    return slot.readUInt32LE();
  }

  /** Changes a document; returns its new version. */
  edit(document: string): number {
    const version = this.version(document) + 1;
    const slot = Buffer.alloc(bytes);
    slot.writeUInt32LE(version);
    writeSync(this.#file, slot, 0, bytes, positionOf(document));
    return version;
  }

  close(): void {
    closeSync(this.#file);
  }
}

export const documentName = (number: number): string => `article:${number}`;

function positionOf(document: string): number {
  return Number(document.slice(document.indexOf(":") + 1)) * bytes;
}
