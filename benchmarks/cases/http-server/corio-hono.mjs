import { serve as serveHttp } from "@corio/http";
import { run, within } from "corio";
import { Hono } from "hono";

/** @param {import("../../harness/server.mjs").Control} control */
export const serve = (control) =>
  run(function* () {
    const app = new Hono().get("/", (context) => context.text("hello"));
    const options = { host: "127.0.0.1", port: 0, overrideGlobalObjects: true };
    const server = yield* serveHttp((request) => app.fetch(request), options);
    yield* within(server, () => {
      control.listening(server);
      return server.serveForever();
    });
  });
