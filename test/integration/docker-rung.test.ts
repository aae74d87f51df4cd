// When the ladder takes Docker, and that it loses no time where there is none. That containers behave like processes is what
// services.test.ts shows, with UNSTALE_TEST_DOCKER=only.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { findDocker } from "../../dev/services/docker.ts";
import { silent } from "../../dev/services/index.ts";
import { Declined } from "../../dev/services/ladder.ts";

let folder: string;
let server: Server | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "unstale-docker-rung-"));
});

afterEach(async () => {
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
  await rm(folder, { recursive: true });
});

const find = (env: NodeJS.ProcessEnv) => findDocker("valkey/valkey:8.0", env, silent);

/** A docker client in PATH, and the daemon at an address of ours. */
async function environment(extra: NodeJS.ProcessEnv = {}): Promise<NodeJS.ProcessEnv> {
  await writeFile(join(folder, "docker"), "#!/bin/sh\n", { mode: 0o755 });
  return { PATH: folder, DOCKER_HOST: `unix://${join(folder, "docker.sock")}`, ...extra };
}

test("declines without a docker client", async () => {
  expect(await find({ PATH: folder })).toEqual(new Declined("no docker in PATH"));
});

test("declines when nobody listens", async () => {
  const declined = await find(await environment());
  expect(declined).toMatchObject({ why: expect.stringMatching(/^no Docker daemon answers \(.*ENOENT/) });
});

test("declines when a daemon hangs", async () => {
  const env = await environment();
  server = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => server?.listen(join(folder, "docker.sock"), resolve));
  expect(await find(env)).toEqual(new Declined("no Docker daemon answers (silent for 1000 ms)"));
});

test("is left out on demand, even where a daemon answers", async () => {
  expect(await find({ UNSTALE_TEST_DOCKER: "no" })).toEqual(new Declined("UNSTALE_TEST_DOCKER=no"));
});

test("is an error instead of a decline where nothing else will do", async () => {
  await expect(find(await environment({ UNSTALE_TEST_DOCKER: "only" }))).rejects.toThrow(
    /Expected Docker, as UNSTALE_TEST_DOCKER=only says: no Docker daemon answers/,
  );
});

test("does not guess what a misspelt wish means", async () => {
  await expect(find({ UNSTALE_TEST_DOCKER: "never" })).rejects.toThrow(
    'Expected UNSTALE_TEST_DOCKER to be "no", "only" or unset, got "never".',
  );
});
