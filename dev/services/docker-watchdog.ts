// As in scratch.ts: a detached `sh` reads from a pipe that only we hold, and when we die it removes the container with its
// volumes. Ryuk would as well, but only when no program of this user has a container left.
import { spawn } from "node:child_process";
import { Socket } from "node:net";

const WATCHDOG = `
trap '' INT HUP TERM
read -r word && [ "$word" = done ] && exit 0
docker rm --force --volumes "$1"
`;

export interface ContainerWatchdog {
  /** The container is gone, or somebody else's business. */
  dismiss(): Promise<void>;
}

export async function watchContainer(id: string): Promise<ContainerWatchdog> {
  const watchdog = spawn("sh", ["-c", WATCHDOG, "unstale-watchdog", id], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  watchdog.unref();
  if (watchdog.stdin instanceof Socket) watchdog.stdin.unref();
  watchdog.stdin.on("error", () => {});
  const gone = new Promise<void>((resolve) => watchdog.once("close", () => resolve()));
  await new Promise<void>((resolve, reject) => watchdog.once("spawn", resolve).once("error", reject));
  return {
    async dismiss() {
      watchdog.ref();
      watchdog.stdin.end("done\n");
      await gone;
    },
  };
}
