import { createServer } from "node:net";

/** @param {import("../../harness/server.mjs").Control} control */
export function serve(control) {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("data", (data) => {
      socket.write(data);
    });
  });
  server.listen(0, "127.0.0.1", () => control.listening(server.address()));
}
