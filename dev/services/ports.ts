import { randomInt } from "node:crypto";
import { createServer } from "node:net";

// Below the range from which Linux takes the ports of outgoing connections (32768 up). A server on a port of that range
// could not come back after `kill()`: a client that retries a closed local port may be given that very port as its own,
// is then connected to itself, and keeps the server from listening.
const FIRST = 15_000;
const LAST = 32_000;

/** A port of 127.0.0.1 nobody listens on. Somebody else may take it before the server does: then start again. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(FIRST, LAST);
    if (await canListen(port)) return port;
  }
  throw new Error(`Expected a free port between ${FIRST} and ${LAST} on 127.0.0.1, found none in 100 tries.`);
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
