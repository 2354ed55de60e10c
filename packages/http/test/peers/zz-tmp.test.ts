import { createTask, run, sleep, until, within, gather } from "corio";
import { test, expect } from "vitest";
import { useCertificates } from "/work/main/packages/node/test/support/certificates.js";
import { curl } from "../support/curl.js";
import { serving } from "./service.js";
import { Exchange } from "../../src/server/exchange.js";
const c = useCertificates();
const orig = (Exchange.prototype as any).clientGone;
(Exchange.prototype as any).clientGone = function () { console.log("clientGone"); return orig.call(this); };
test("x", async () => {
  await serving(function* (server, service) {
    (server as any); 
    const r = yield* until(curl(["-k", "--http2", "--max-time", "0.2", server.url + "/wait/1"]));
    console.log(r.exitCode);
    for (let i = 0; i < 5; i++) { yield* sleep(100); console.log(server.connections, server.requests, service.cancelled); }
  }, { tls: c.server, http2: true, shutdownTimeout: 100 });
});
