import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { FaultyNetwork } from "../../../dev/chaos/faulty-network.ts";

let echo: Server;
let network: FaultyNetwork;
let port: number;
const clients: Socket[] = [];

beforeEach(async () => {
  echo = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  await once(echo.listen(0, "127.0.0.1"), "listening");
  network = new FaultyNetwork({ host: "127.0.0.1", port: (echo.address() as AddressInfo).port });
  port = await network.listen();
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await network.close();
  await new Promise((resolve) => echo.close(resolve));
});

async function client(): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").on("error", () => {});
  clients.push(socket);
  await once(socket, "connect");
  return socket.setEncoding("utf8");
}

async function asked(socket: Socket, text: string): Promise<string> {
  const answer = once(socket, "data");
  socket.write(text);
  return String((await answer)[0]);
}

/** Unlike `once`, takes a reset for an end like any other. */
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

describe("a faulty network", () => {
  test("passes on what comes", async () => {
    expect(await asked(await client(), "hello")).toBe("hello");
  });

  test("cut: connections end, new ones work", async () => {
    const before = await client();
    await asked(before, "hello");
    const closed = closeOf(before);
    network.cut();
    await closed;
    expect(await asked(await client(), "again")).toBe("again");
  });

  test("silent: nothing comes and nothing ends, until it heals and says so by a reset", async () => {
    const silent = await client();
    await asked(silent, "hello");
    let heard = "";
    silent.on("data", (text: string) => {
      heard += text;
    });
    network.silence();
    silent.write("anybody?");
    // Another connection's open shows that the proxy had its turn.
    await client();
    expect([heard, silent.destroyed]).toEqual(["", false]);
    const closed = closeOf(silent);
    network.heal();
    await closed;
    expect(heard).toBe("");
    expect(await asked(await client(), "again")).toBe("again");
  });

  test("slow: it all comes, in order", async () => {
    network.delay(5);
    const socket = await client();
    let heard = "";
    const all = new Promise<void>((resolve) => {
      socket.on("data", (text: string) => {
        heard += text;
        if (heard.length === 3) resolve();
      });
    });
    for (const text of ["a", "b", "c"]) socket.write(text);
    await all;
    expect(heard).toBe("abc");
  });
});
