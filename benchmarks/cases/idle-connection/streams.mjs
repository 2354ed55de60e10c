import { startServer } from "@corio/node";
import { run } from "corio";

/** @param {import("../../harness/server.mjs").Control} control */
export const serve = (control) =>
  run(function* () {
    const server = yield* startServer(
      function* (reader) {
        yield* reader.readline();
      },
      "127.0.0.1",
      0,
    );
    control.listening(server.sockets[0]?.address(), () => server.connections);
    yield* server.serveForever();
  });
