import { within } from "corio";
import { describe, expect, test } from "vitest";
import { socketPath } from "../../../node/test/support/temporary-folder.js";
import { runConnected } from "../../../node/test/support/run-connected.js";
import { thrownBy } from "../../../node/test/support/thrown-by.js";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { ClientConnectionError } from "../../src/index.js";
import { type Answer, Origin } from "./origin-server.js";
import { inSession } from "./session-setting.js";

const certificates = useCertificates();

const echo: Answer = ({ url, headers }, response) => response.end(`${headers.host} ${url}`);

describe("a session over a Unix socket", () => {
  test("sends every request there, whatever its host", async () => {
    const path = socketPath();
    await runConnected(() =>
      within(new Origin(echo, { listen: { path } }), (origin) =>
        inSession({ socketPath: path, baseUrl: "http://docker/v1/" }, function* (session) {
          expect(yield* (yield* session.get("info")).text()).toBe("docker /v1/info");
          expect(yield* (yield* session.get("http://other.example:8080/x")).text()).toBe("other.example:8080 /x");
          expect(yield* (yield* session.get("/y")).text()).toBe("docker /y");
          expect(origin.connections).toBe(2);
        }),
      ),
    );
  });

  test("speaks TLS, if the URL says so", async () => {
    const path = socketPath();
    await runConnected(() =>
      within(new Origin(echo, { listen: { path }, tls: certificates.server }), () =>
        inSession({ socketPath: path, tls: { ca: certificates.ca } }, function* (session) {
          expect(yield* (yield* session.get("https://localhost/x")).text()).toBe("localhost /x");
          const error = yield* thrownBy(session.get("https://elsewhere.example/"));
          expect(error).toMatchObject({ cause: { code: "ERR_TLS_CERT_ALTNAME_INVALID" } });
        }),
      ),
    );
  });

  test("fails with what is wrong with the socket", async () => {
    await runConnected(() =>
      inSession({ socketPath: socketPath() }, function* (session) {
        const error = yield* thrownBy(session.get("http://localhost/"));
        expect(error).toBeInstanceOf(ClientConnectionError);
        expect(error).toMatchObject({ cause: { code: "ENOENT" } });
        expect(session.connections).toBe(0);
      }),
    );
  });
});
