import { createServer } from "node:tls";

/** @param {import("../../harness/server.mjs").Control} control @param {import("../../harness/server.mjs").Certificate} tls */
export function serve(control, tls) {
  const server = createServer({ ...tls, noDelay: true }, (socket) => {
    socket.on("data", (data) => {
      socket.write(data);
    });
  });
  server.listen(0, "127.0.0.1", () => control.listening(server.address()));
}
