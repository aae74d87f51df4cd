import type { Backend } from "./backend.ts";
import type { Side } from "./panes.ts";

export interface Addresses {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly groups: Readonly<Record<Side, string>>;
  readonly valkeyUrls: Readonly<Record<Side, string>>;
  readonly valkeyCli: string;
  readonly workerHttp: string;
  readonly workerLog: string;
}

/** Commands to copy, with the addresses of this run. */
export function hintsFor(addresses: Addresses): Backend["hints"] {
  const { brokers, topic, groups, valkeyUrls, valkeyCli, workerHttp, workerLog } = addresses;
  const [broker = ""] = brokers;
  const cli = (side: Side) => `${valkeyCli} -u ${valkeyUrls[side]}`;
  return [
    ["which answers depend on the lamp's page", `${cli("unstale")} SMEMBERS doc_deps:article:42`],
    ["when it changed last, in microseconds", `${cli("unstale")} ZSCORE unstale:fence article:42`],
    ["watch what the worker and the cache do", `${cli("unstale")} MONITOR`],
    ["the answers of the plain worker", `${cli("plain")} --scan`],
    ["the events", `kcat -b ${broker} -t ${topic} -C -f '%k %s\\n'`],
    ["an event by hand", `echo 'article:42|{"id":"article:42"}' | kcat -b ${broker} -t ${topic} -P -K '|'`],
    ["is the worker ready", `curl '${workerHttp}/readyz?verbose'`],
    ["its metrics", `curl -s ${workerHttp}/metrics | grep unstale`],
    [`its log (group ${groups.unstale})`, `tail -f ${workerLog}`],
  ];
}
