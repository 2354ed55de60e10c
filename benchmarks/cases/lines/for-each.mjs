import { startServer } from "@corio/node";
import { forEach, run } from "corio";

/** @param {import("../../harness/server.mjs").Control} control */
export const serve = (control) =>
  run(function* () {
    const server = yield* startServer(
      function* (reader) {
        control.connected();
        let lines = 0;
        let bytes = 0;
        yield* forEach(reader, (line) => {
          lines++;
          bytes += line.length;
        });
        control.ended(lines, bytes);
      },
      "127.0.0.1",
      0,
    );
    control.listening(server.sockets[0]?.address());
    yield* server.serveForever();
  });
