import { randomBytes } from "node:crypto";
import { cacheError } from "./errors.ts";
import type { KeyLayout } from "./keys.ts";
import type { CacheStore, DeploymentRecord } from "./store.ts";

/** Format of keys and fields that this version of the library reads and writes. */
export const wireFormat = 1;

/** What this program would write into `unstale:config`, were it the first to come. */
export function proposeDeployment(options: {
  readonly layout: KeyLayout;
  readonly foreignWriters: boolean;
  readonly group?: string | undefined;
}): DeploymentRecord {
  const { layout, foreignWriters, group } = options;
  return {
    format: wireFormat,
    id: randomBytes(8).toString("hex"),
    buckets: layout.buckets,
    entryPrefix: layout.entryPrefix,
    dependencyPrefixes: layout.dependencyPrefixes,
    foreignWriters,
    ...(group === undefined ? {} : { group }),
  };
}

/** One line for each setting in which two programs differ. */
export function deploymentDifferences(ours: DeploymentRecord, theirs: DeploymentRecord): string[] {
  const fields = ["buckets", "entryPrefix", "dependencyPrefixes", "foreignWriters"] as const;
  const differences = fields.flatMap((field) => {
    const [expected, got] = [JSON.stringify(theirs[field]), JSON.stringify(ours[field])];
    return expected === got ? [] : [`${field} is ${expected} there, ${got} here`];
  });
  if (ours.group !== undefined && theirs.group !== undefined && ours.group !== theirs.group) {
    differences.push(`group is ${JSON.stringify(theirs.group)} there, ${JSON.stringify(ours.group)} here`);
  }
  return differences;
}

/**
 * Agreement with the deployment's other programs, asked for on first use. A program with other prefixes would write where
 * no worker looks, so a mismatch is an error on each call, until it is gone; an outage is not. A record of a newer format is
 * the newer programs' to read: this one misses, and does not write.
 */
export class DeploymentCheck {
  readonly #store: CacheStore;
  #ours: DeploymentRecord;
  #known: DeploymentRecord | undefined;
  #before: string | undefined;
  #asking: Promise<void> | undefined;

  constructor(options: { readonly store: CacheStore; readonly ours: DeploymentRecord }) {
    this.#store = options.store;
    this.#ours = options.ours;
  }

  /** The deployment's id, once it is known; while it is asked for again, the one that was. */
  get id(): string | undefined {
    return this.#known?.id ?? this.#before;
  }

  get agreed(): boolean {
    return this.#known !== undefined;
  }

  /**
   * Resolves at once when the agreement is known.
   * @throws UnstaleError `UNSTALE_CONFIG_MISMATCH`, `UNSTALE_FORMAT_TOO_NEW`, or what the store throws.
   */
  async agree(): Promise<void> {
    if (this.#known) return;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
  }

  /**
   * The store lost its state: the record may be gone with it, so it is asked for again. Should it have to be written anew, it
   * gets the id that it had: the deployment is the same.
   */
  forget(): void {
    this.#before = this.#known?.id ?? this.#before;
    if (this.#before !== undefined) this.#ours = { ...this.#ours, id: this.#before };
    this.#known = undefined;
  }

  async #ask(): Promise<void> {
    const theirs = await this.#store.configure(this.#ours);
    if ("kind" in theirs) {
      throw cacheError(
        "UNSTALE_FORMAT_TOO_NEW",
        `The deployment (unstale:config) is of format ${theirs.format}, this program knows ${wireFormat}. Update this program; ` +
          "until then it reads and writes nothing there.",
      );
    }
    const differences = deploymentDifferences(this.#ours, theirs);
    if (differences.length > 0) {
      throw cacheError(
        "UNSTALE_CONFIG_MISMATCH",
        `This program's settings differ from those of its deployment (unstale:config): ${differences.join("; ")}. ` +
          "Give all programs on one Valkey the same settings; to change them, stop all, delete unstale:config and start anew.",
      );
    }
    this.#known = theirs;
  }
}
