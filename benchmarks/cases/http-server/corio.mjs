import { Response, serve as serveHttp } from "@corio/http";
import { run, within } from "corio";

/** @param {import("../../harness/server.mjs").Control} control */
export const serve = (control) =>
  run(function* () {
    const server = yield* serveHttp(
      function* () {
        return new Response("hello");
      },
      { host: "127.0.0.1", port: 0 },
    );
    yield* within(server, () => {
      control.listening(server);
      return server.serveForever();
    });
  });
