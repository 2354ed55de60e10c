import { createServer } from "node:http";

/** @param {import("../../harness/server.mjs").Control} control */
export function serve(control) {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/plain;charset=UTF-8", "content-length": 5 });
    response.end("hello");
  });
  server.listen(0, "127.0.0.1", () => control.listening(server.address()));
}
