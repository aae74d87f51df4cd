import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** One address that leads to one server or another, as a virtual IP does. */
export interface Switchboard {
  readonly url: string;
  /** From now on connections lead there; those that are open are cut. */
  lead(to: { readonly host: string; readonly port: number }): void;
  close(): Promise<void>;
}

export async function openSwitchboard(first: { readonly host: string; readonly port: number }): Promise<Switchboard> {
  let target = first;
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    const onward = connect(target.port, target.host);
    for (const one of [socket, onward]) {
      open.add(one);
      one.setNoDelay(true);
      one.on("error", () => one.destroy());
      one.on("close", () => open.delete(one));
    }
    socket.on("close", () => onward.destroy());
    onward.on("close", () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lead: (to) => {
      target = to;
      cut();
    },
    close: async () => {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
