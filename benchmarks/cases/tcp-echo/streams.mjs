import { startServer } from "@corio/node";
import { run } from "corio";

/** @param {import("@corio/node").StreamReader} reader @param {import("@corio/node").StreamWriter} writer */
function* echo(reader, writer) {
  for (;;) {
    const data = yield* reader.read(65_536);
    if (data.length === 0) break;
    writer.write(data);
    yield* writer.drain();
  }
}

/** @param {import("../../harness/server.mjs").Control} control */
export const serve = (control) =>
  run(function* () {
    const server = yield* startServer(echo, "127.0.0.1", 0);
    control.listening(server.sockets[0]?.address());
    yield* server.serveForever();
  });
