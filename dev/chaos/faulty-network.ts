import { type AddressInfo, createServer, type Server, Socket } from "node:net";

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** A TCP proxy whose network fails as told: slowly, at once, or silently. */
export class FaultyNetwork {
  readonly #target: Target;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #latencyMs = 0;
  #silent = false;

  constructor(target: Target) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen(port, "127.0.0.1", resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Each piece of data arrives so much later, in both directions. */
  delay(latencyMs: number): void {
    this.#latencyMs = latencyMs;
  }

  /** Half-open: connections stay, and new ones are taken, but nothing comes through and nobody is told. */
  silence(): void {
    this.#silent = true;
  }

  /** Data flows again on new connections. Those that were silent have lost bytes, and are reset. */
  heal(): void {
    this.#silent = false;
    this.cut();
  }

  /** Resets all connections. */
  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
    this.#pairs.clear();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(client: Socket): void {
    const server = new Socket({ allowHalfOpen: true });
    server.connect(this.#target);
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    this.#forward(client, server);
    this.#forward(server, client);
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.once("close", () => {
        this.#pairs.delete(pair);
        for (const one of pair) one.destroy();
      });
    }
  }

  #forward(from: Socket, to: Socket): void {
    const later = (act: () => void): void => {
      if (this.#silent) return;
      if (this.#latencyMs > 0) setTimeout(act, this.#latencyMs);
      else act();
    };
    from.on("data", (bytes) => later(() => void (to.writable && to.write(bytes))));
    from.on("end", () => later(() => to.end()));
  }
}
