import { sleep, gather, within } from "corio";
import { test } from "vitest";
import { withOrigin } from "./session-setting.js";
import { useCertificates } from "../../../node/test/support/certificates.js";
const certificates = useCertificates();
for (const [n, limit] of [[1, 4], [4, 4], [5, 4], [20, 4],[20,100]] as const)
test("fallback " + n, async () => {
    await withOrigin(({url}, r) => void setTimeout(() => r.end(url), 2), function* (session, origin) {
      const t = yield* gather(Array.from({length: n}, function* (_, i) { try { const r = yield* session.get("/" + i, { timeout: { total: 1000 } }); return yield* r.text(); } catch (e: any) { return e.name } }));
      console.log(n, t.join(), origin.connections, session.connections);
    }, { server: { tls: certificates.server }, session: { http2: true, tls: { ca: certificates.ca }, limit } });
});
test("half", async () => {
    await withOrigin(({url}, r) => r.end(url === "/large" ? Buffer.alloc(1_000_000) : url), function* (session, origin) {
        for (let i = 0; i < 30; i++) {
          yield* within(session.get("/large"), function* ({ body }) {
            if (i % 2 === 0) yield* body.read(10);
          });
          console.log(i, session.connections, origin.connections, origin.sockets.size);
          yield* (yield* session.get("/x")).text();
          console.log(i, "after", session.connections, origin.connections, origin.sockets.size);
        }
    }, { server: { tls: certificates.server, http2: true }, session: { http2: true, tls: { ca: certificates.ca } } });
});
