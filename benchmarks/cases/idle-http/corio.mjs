import { Response, serve as serveHttp } from "@corio/http";
import { run, within } from "corio";

/** @param {import("../../harness/server.mjs").Control} control */
export const serve = (control) =>
  run(function* () {
    const server = yield* serveHttp(
      function* () {
        return new Response("hello");
      },
      { host: "127.0.0.1", port: 0, keepAliveTimeout: 600_000 },
    );
    yield* within(server, () => {
      control.listening(server, () => server.connections);
      return server.serveForever();
    });
  });
