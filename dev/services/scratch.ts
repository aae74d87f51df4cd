// A temp folder and a watchdog that outlives us: a detached `sh` that reads from a pipe only we hold. When we die, even
// by SIGKILL, the kernel closes the pipe, and the watchdog kills the server and removes the folder. We tell it the
// server's pid when it starts and clear it when it ends, so that it never kills a pid which somebody else got since.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const WATCHDOG = `
trap '' INT HUP TERM
pid=
while read -r word value; do
  case $word in
    pid) pid=$value ;;
    done) exit 0 ;;
  esac
done
if [ -n "$pid" ]; then kill -9 "$pid"; fi
for attempt in 1 2 3 4 5; do rm -rf "$1" && break; sleep 0.2; done
`;

export interface Scratch {
  readonly dir: string;
  /** The process to end when we die; undefined: none. */
  guard(pid: number | undefined): void;
  /** Removes the folder and dismisses the watchdog. */
  release(): Promise<void>;
}

export async function openScratch(name: string): Promise<Scratch> {
  const dir = await mkdtemp(join(tmpdir(), `unstale-${name}-`));
  const watchdog = spawn("sh", ["-c", WATCHDOG, "unstale-watchdog", dir], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  // A forgotten service must not keep its process alive: when that ends, the watchdog ends the service.
  watchdog.unref();
  if (watchdog.stdin instanceof Socket) watchdog.stdin.unref();
  watchdog.stdin.on("error", () => {});
  const gone = new Promise<void>((resolve) => watchdog.once("close", () => resolve()));
  await new Promise<void>((resolve, reject) => watchdog.once("spawn", resolve).once("error", reject));
  return {
    dir,
    guard: (pid) => void watchdog.stdin.write(`pid ${pid ?? ""}\n`),
    async release() {
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
      watchdog.ref();
      watchdog.stdin.end("done\n");
      await gone;
    },
  };
}
