import { serve as serveNode } from "@hono/node-server";

/** @param {import("../../harness/server.mjs").Control} control */
export function serve(control) {
  const fetch = () => new Response("hello");
  serveNode({ fetch, hostname: "127.0.0.1", port: 0 }, (address) => control.listening(address));
}
