import { expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { withOrigin } from "./session-setting.js";
const certificates = useCertificates();
test("slice", async () => {
  const tls = certificates.server;
  await withOrigin(
    (request, response) => {
      response.end(request.message.httpVersion + request.body);
    },
    function* (session, origin) {
      for (let i = 0; i < 3; i++) {
        const response = yield* session.post("/", { body: "x".repeat(i) });
        expect(yield* response.text()).toBe("2.0" + "x".repeat(i));
      }
      expect(origin.connections).toBe(1);
    },
    { session: { http2: true, tls: { ca: certificates.ca } }, server: { tls, http2: true } },
  );
});
