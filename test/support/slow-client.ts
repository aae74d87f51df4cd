import { connect } from "node:net";

/** Sends these bytes and then nothing more, ever. Resolves to what came back when the server hung up. */
export function slowly(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("close", () => resolve(text)).on("error", () => undefined);
  });
}
