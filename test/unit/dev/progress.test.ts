import { expect, test } from "@jest/globals";
import { terminalProgress } from "../../../dev/services/progress.ts";

function record(isTTY: boolean) {
  const clock = { now: 0 };
  const screen = { text: "", isTTY, write: (text: string) => (screen.text += text) };
  return { clock, screen, progress: terminalProgress({ stream: screen, now: () => clock.now }) };
}

test("on a terminal a transient line is overwritten by the next", () => {
  const { screen, progress } = record(true);
  progress("1 jar", { transient: true });
  progress("2 jars", { transient: true });
  progress("done");
  progress("next");
  expect(screen.text).toBe("1 jar\r\u001b[2K2 jars\r\u001b[2Kdone\nnext\n");
});

test("elsewhere transient lines come seldom, and others always", () => {
  const { clock, screen, progress } = record(false);
  progress("1 jar", { transient: true });
  progress("2 jars", { transient: true });
  clock.now = 3_000;
  progress("3 jars", { transient: true });
  progress("done");
  expect(screen.text).toBe("1 jar\n3 jars\ndone\n");
});
