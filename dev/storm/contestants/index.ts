import { loadPeers, type PeerModules } from "../../peers/modules.ts";
import type { Contestant, ContestantOptions } from "./contestant.ts";
import { openAsyncCacheDedupe, openBentocache, openCacheable, openEnvelop } from "./peers.ts";
import { openMulti, openPlain } from "./plain.ts";
import { openMistaken, openUnstale } from "./unstale.ts";

interface Entry {
  readonly title: string;
  /** `unstale run` ends its answers, not a consumer of the storm. */
  readonly ownWorker?: true;
  readonly open: (options: ContestantOptions, peers: () => Promise<PeerModules>) => Promise<Contestant>;
  readonly isPeer?: true;
}

const ofPeer = (open: (options: ContestantOptions, peers: PeerModules) => Contestant): Entry["open"] => {
  return async (options, peers) => open(options, await peers());
};

/** In the order of the table. */
export const contestants = {
  unstale: { title: "unstale", ownWorker: true, open: async (options) => openUnstale(options) },
  plain: { title: "plain worker (SMEMBERS, DEL)", open: async (options) => openPlain(options) },
  multi: { title: "the same with MULTI", open: async (options) => openMulti(options) },
  bentocache: { title: "bentocache", isPeer: true, open: ofPeer(openBentocache) },
  cacheable: { title: "cacheable", isPeer: true, open: ofPeer(openCacheable) },
  "async-cache-dedupe": { title: "async-cache-dedupe", isPeer: true, open: ofPeer(openAsyncCacheDedupe) },
  envelop: { title: "@envelop/response-cache-redis", isPeer: true, open: ofPeer(openEnvelop) },
  mistaken: { title: "unstale, made wrong", ownWorker: true, open: async (options) => openMistaken(options) },
} as const satisfies Record<string, Entry>;

export type ContestantName = keyof typeof contestants;

export const isContestant = (name: string): name is ContestantName => Object.hasOwn(contestants, name);

export function entryOf(name: ContestantName): Entry {
  return contestants[name];
}

/** Opens contestants; the peers' packages are loaded when the first of them is. */
export function opener(
  folder: string | undefined,
): (name: ContestantName, options: ContestantOptions) => Promise<Contestant> {
  let loaded: Promise<PeerModules> | undefined;
  const peers = (): Promise<PeerModules> => {
    if (folder === undefined) throw new Error("Expected the peers' packages, which could not be fetched.");
    loaded ??= loadPeers(folder);
    return loaded;
  };
  return (name, options) => entryOf(name).open(options, peers);
}
