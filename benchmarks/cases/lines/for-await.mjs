import { createServer } from "node:net";
import { createInterface } from "node:readline";

/** @param {import("../../harness/server.mjs").Control} control */
export function serve(control) {
  const server = createServer((socket) => void count(socket, control));
  server.listen(0, "127.0.0.1", () => control.listening(server.address()));
}

/** @param {import("node:net").Socket} socket @param {import("../../harness/server.mjs").Control} control */
async function count(socket, control) {
  control.connected();
  let lines = 0;
  let bytes = 0;
  for await (const line of createInterface({ input: socket })) {
    lines++;
    bytes += line.length + 1;
  }
  control.ended(lines, bytes);
}
