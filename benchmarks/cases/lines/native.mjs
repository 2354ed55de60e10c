import { createServer } from "node:net";
import { createInterface } from "node:readline";

/** @param {import("../../harness/server.mjs").Control} control */
export function serve(control) {
  const server = createServer((socket) => {
    control.connected();
    let lines = 0;
    let bytes = 0;
    createInterface({ input: socket })
      .on("line", (line) => {
        lines++;
        bytes += line.length + 1;
      })
      .on("close", () => control.ended(lines, bytes));
  });
  server.listen(0, "127.0.0.1", () => control.listening(server.address()));
}
