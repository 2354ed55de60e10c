import { connect as connectH2, constants } from "node:http2";
import { once } from "node:events";
import { sleep, within, until, asyncGenerator, createTask, getRunningLoop, Event, isCancelled, wait, TaskGroup } from "corio";
import { expect } from "vitest";
import { Response, HttpError, serve } from "../../src/index.js";
import { nextAnswer, connectRaw, headerOf } from "../support/raw-client.js";
import { it, serving, request, post, client, ask, turn, eventually, tasksOfRequests } from "./hostile-setting.js";
import { useCertificates } from "../../../node/test/support/certificates.js";
const certs = useCertificates();
const ok = () => new Response("ok");

for (const headers of [{ "set-cookie": "a=1"}, [["set-cookie", "a=1"], ["set-cookie", "b=2"]], { te: "gzip" }, { "http2-settings": "x" }, { "content-length": "1"}] as any[])
it("h2 headers " + JSON.stringify(headers), function* () {
  yield* within(serving(() => new Response("x", { headers }), { tls: certs.server, http2: true }), function* (s) {
    const session = connectH2(`https://localhost:${s.port}`, { ca: certs.ca });
    const req = session.request({ ":path": "/" });
    req.resume(); req.on("error", (e) => console.log("req error", e.message));
    const r: any[] = yield* until(new Promise<any>((resolve) => { req.on("response", (...r) => resolve(r)); req.on("close", () => resolve(["close"])); }));
    console.log(JSON.stringify(r[0]));
    session.close();
    yield* until(once(session, "close"));
    console.log(s.reports());
  });
});
it("h2 rapid reset", function* () {
  let begun = 0, ended = 0, cancelled = 0;
  yield* within(serving(function* () { begun++; try { yield* sleep(1000); return ok(); } catch (e) { if (isCancelled(e)) cancelled++; throw e; } finally { ended++; } }, { tls: certs.server, http2: true, maxStreamResets: 20 }), function* (s) {
    const session = connectH2(`https://localhost:${s.port}`, { ca: certs.ca });
    session.on("error", (e) => console.log("session error", e.message));
    session.on("goaway", (code) => console.log("goaway", code));
    yield* until(once(session, "connect"));
    let n = 0;
    for (; n < 100 && !session.destroyed && !session.closed; n++) { try { const req = session.request({ ":path": "/" + n }); req.on("error", () => {}); yield* sleep(2); req.close(constants.NGHTTP2_CANCEL); } catch (e) { console.log((e as any).message); break; } }
    yield* sleep(50);
    console.log("n", n, "begun", begun, "ended", ended, cancelled);
    session.destroy();
    yield* s.quiet();
  });
});
