import { createServer } from "node:http";

/** @param {import("../../harness/server.mjs").Control} control */
export function serve(control) {
  const server = createServer({ keepAliveTimeout: 600_000 }, (_, response) => {
    response.writeHead(200, { "content-type": "text/plain;charset=UTF-8", "content-length": 5 });
    response.end("hello");
  });
  /** @returns {Promise<number>} */
  const connections = () =>
    new Promise((resolve) => {
      server.getConnections((_, count) => resolve(count));
    });
  server.listen(0, "127.0.0.1", () => control.listening(server.address(), connections));
}
