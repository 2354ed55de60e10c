import { startServer } from "@corio/node";
import { run } from "corio";

/** @param {import("../../harness/server.mjs").Control} control */
export const serve = (control) =>
  run(function* () {
    const server = yield* startServer(
      function* (reader) {
        control.connected();
        let lines = 0;
        let bytes = 0;
        for (;;) {
          const line = yield* reader.readline();
          if (line.length === 0) break;
          lines++;
          bytes += line.length;
        }
        control.ended(lines, bytes);
      },
      "127.0.0.1",
      0,
    );
    control.listening(server.sockets[0]?.address());
    yield* server.serveForever();
  });
