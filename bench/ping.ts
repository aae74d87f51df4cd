// What another client feels: a thread of its own pings without pause, so that a busy event loop here does not show as a
// busy server there.
import { once } from "node:events";
import { Worker } from "node:worker_threads";

export interface Pings {
  readonly worstMs: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly count: number;
}

const program = `
const { parentPort, workerData } = require("node:worker_threads");
const { connect } = require("node:net");
const times = [];
const socket = connect(workerData.port, "127.0.0.1").setNoDelay();
let sent = 0;
const ping = () => { sent = performance.now(); socket.write("PING\\r\\n"); };
socket.on("connect", () => { parentPort.postMessage("ready"); ping(); });
socket.on("data", () => { times.push(performance.now() - sent); setTimeout(ping, 1); });
parentPort.once("message", () => {
  // One that is still under way counts for as long as it has waited.
  times.push(performance.now() - sent > 5 ? performance.now() - sent : 0);
  socket.destroy();
  parentPort.postMessage(times);
});
`;

/** Pings until `work` is done. */
export async function whilePinging<T>(port: number, work: () => Promise<T>): Promise<{ result: T; pings: Pings }> {
  const thread = new Worker(program, { eval: true, workerData: { port } });
  await once(thread, "message");
  try {
    const result = await work();
    thread.postMessage("end");
    const [times]: number[][] = await once(thread, "message");
    return { result, pings: summary(times ?? []) };
  } finally {
    await thread.terminate();
  }
}

function summary(times: readonly number[]): Pings {
  const sorted = [...times].sort((one, other) => one - other);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { worstMs: at(1), p99Ms: at(0.99), p999Ms: at(0.999), count: sorted.length };
}
