import { createTask, gather, sleep } from "corio";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { thrownBy } from "../../../node/test/support/thrown-by.js";
import { ClientConnectionError, ClientError, ClientPayloadError, ServerDisconnectedError } from "../../src/index.js";
import { answer, faults } from "../support/faults.js";
import { nextRequest } from "../support/raw-server.js";
import { withOrigin, withRawServer } from "./session-setting.js";

const certificates = useCertificates();

describe("no connection", () => {
  test("is an error that says why", async () => {
    await withOrigin(
      () => {},
      function* (session) {
        for (const [url, code] of [
          ["http://127.0.0.1:1/", "ECONNREFUSED"],
          ["https://127.0.0.1:1/", "ECONNREFUSED"],
          ["http://nobody.invalid/", /ENOTFOUND|EAI_AGAIN/],
        ] as const) {
          const error = yield* thrownBy(session.get(url));
          expect(error).toBeInstanceOf(ClientConnectionError);
          expect(error).not.toBeInstanceOf(ServerDisconnectedError);
          expect(error).toMatchObject({
            name: "ClientConnectionError",
            code: "ERR_CORIO_CONNECTION",
            url,
            message: expect.stringContaining(`cannot connect to ${url}: `),
            cause: { code: typeof code === "string" ? code : expect.stringMatching(code) },
          });
        }
        expect(session.connections).toBe(0);
      },
    );
  });

  test("comes of a host that refuses at both of its addresses, with both reasons", async () => {
    await withOrigin(
      () => {},
      function* (session) {
        const error = yield* thrownBy(session.get("http://localhost:1/"));
        expect(error).toBeInstanceOf(ClientConnectionError);
        expect((error as Error).message).toMatch(/cannot connect to http:\/\/localhost:1\/: .*ECONNREFUSED/);
      },
    );
  });
});

describe("a certificate that is not to be trusted", () => {
  test.each([
    ["of an unknown authority", "stranger", "DEPTH_ZERO_SELF_SIGNED_CERT"],
    ["that has expired", "expired", "CERT_HAS_EXPIRED"],
    ["of another host", "other", "ERR_TLS_CERT_ALTNAME_INVALID"],
  ] as const)("is an error: %s", async (_what, name, code) => {
    const tls = certificates[name];
    await withOrigin(
      (_, response) => response.end("secret"),
      function* (session, origin) {
        const all = yield* gather([1, 2, 3].map(() => thrownBy(session.get("/", { retry: 1 }))));
        for (const error of all) {
          expect(error).toBeInstanceOf(ClientConnectionError);
          expect(error).toMatchObject({ code: "ERR_CORIO_CONNECTION", cause: { code } });
        }
        expect(origin.requests).toEqual([]);
        expect(session.connections).toBe(0);
      },
      { server: { tls }, session: { tls: { ca: certificates.ca } } },
    );
  });

  test("is one of no known authority where none is given", async () => {
    await withOrigin(
      (_, response) => response.end("secret"),
      function* (session) {
        const error = yield* thrownBy(session.get("/"));
        expect(error).toMatchObject({ cause: { code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" } });
      },
      { server: { tls: certificates.server } },
    );
  });

  test("can be trusted by force, or by its authority", async () => {
    await withOrigin(
      (_, response) => response.end("ok"),
      function* (session) {
        expect(yield* (yield* session.get("/")).text()).toBe("ok");
      },
      { server: { tls: certificates.stranger }, session: { tls: { rejectUnauthorized: false } } },
    );
    await withOrigin(
      (_, response) => response.end("ok"),
      function* (session) {
        expect(yield* (yield* session.get("/")).text()).toBe("ok");
      },
      { server: { tls: certificates.server }, session: { tls: { ca: certificates.ca } } },
    );
  });

  test("may be wanted of the client", async () => {
    const tls = { ...certificates.server, ca: certificates.ca, requestCert: true, rejectUnauthorized: true };
    await withOrigin(
      (_, response) => response.end("ok"),
      function* (session) {
        expect(yield* (yield* session.get("/")).text()).toBe("ok");
      },
      { server: { tls }, session: { tls: { ca: certificates.ca, ...certificates.client } } },
    );
    await withOrigin(
      (_, response) => response.end("ok"),
      function* (session) {
        expect(yield* thrownBy(session.get("/"))).toBeInstanceOf(ClientConnectionError);
      },
      { server: { tls }, session: { tls: { ca: certificates.ca } } },
    );
  });

  test("is asked for under the name that the options say", async () => {
    await withOrigin(
      (_, response) => response.end("ok"),
      function* (session) {
        expect(yield* (yield* session.get("/")).text()).toBe("ok");
      },
      { server: { tls: certificates.other }, session: { tls: { ca: certificates.ca, servername: "other.example" } } },
    );
  });
});

describe("a server that", () => {
  test.each([
    ["closesWithoutAnswer", ServerDisconnectedError, /other side closed/],
    ["resets", ServerDisconnectedError, /ECONNRESET/],
    ["stopsInMidHead", ServerDisconnectedError, /other side closed/],
    ["sendsGarbage", ServerDisconnectedError, /does not match the HTTP\/1\.1 protocol/],
    ["twoLengths", ServerDisconnectedError, /content-length/],
    ["lengthAndChunks", ServerDisconnectedError, /content-length|does not match/],
    ["hugeHead", ServerDisconnectedError, /Headers Overflow/],
    ["endlessHead", ServerDisconnectedError, /Headers Overflow/],
    ["upgradesUnasked", ServerDisconnectedError, /upgrade/],
  ] as const)("%s is a ServerDisconnectedError", async (fault, kind, message) => {
    await withRawServer(faults[fault], function* (session, server) {
      for (let i = 1; i <= 2; i++) {
        const error = yield* thrownBy(session.get("/x"));
        expect(error).toBeInstanceOf(kind);
        expect(error).toBeInstanceOf(ClientConnectionError);
        expect(error).toBeInstanceOf(ClientError);
        expect(error).toMatchObject({
          code: "ERR_CORIO_SERVER_DISCONNECTED",
          url: `${server.origin}/x`,
          message: expect.stringMatching(message),
          cause: expect.any(Error),
        });
        expect(session.connections).toBe(0);
        expect(server.connections).toHaveLength(i);
      }
    });
  });

  test.each([
    ["stopsInMidBody", /other side closed/],
    ["stopsInMidChunk", /other side closed/],
    ["stopsBetweenChunks", /other side closed/],
    ["resetsInMidBody", /ECONNRESET|other side closed/],
    ["sendsGarbageLater", /does not match the HTTP\/1\.1 protocol/],
    ["brokenGzip", /incorrect header check/],
    ["halfGzip", /unexpected end of file/],
  ] as const)("%s is a ClientPayloadError", async (fault, message) => {
    await withRawServer(faults[fault], function* (session, server) {
      const expected = {
        name: "ClientPayloadError",
        code: "ERR_CORIO_PAYLOAD",
        url: `${server.origin}/x`,
        message: expect.stringMatching(message),
        cause: expect.any(Error),
      };
      const response = yield* session.get("/x");
      expect(response.status).toBe(200);
      const error = yield* thrownBy(response.bytes());
      expect(error).toBeInstanceOf(ClientPayloadError);
      expect(error).toMatchObject(expected);
      expect(yield* thrownBy(response.text())).toBe(error);
    });
    await withRawServer(faults[fault], function* (session) {
      const { body } = yield* session.get("/x");
      expect(yield* thrownBy(body.read())).toBeInstanceOf(ClientPayloadError);
    });
  });

  test("sends more than it has announced has it thrown away, with the connection", async () => {
    await withRawServer(faults.sendsTooMuch, function* (session, server) {
      for (let i = 1; i <= 5; i++) {
        expect(yield* (yield* session.get("/")).text()).toBe("ok");
        while (session.connections > 0) yield* sleep(1);
        expect(server.connections).toHaveLength(i);
      }
    });
  });

  test("sends more than it has announced does not answer those who wait with it", async () => {
    await withRawServer(
      faults.sendsTooMuch,
      function* (session) {
        const all = yield* gather(
          Array.from({ length: 10 }, function* () {
            const response = yield* session.get("/");
            return yield* response.text();
          }),
        );
        expect(all).toEqual(Array.from({ length: 10 }, () => "ok"));
      },
      { session: { limit: 1 } },
    );
  });

  test("answers what nobody has asked on an idle connection loses the connection", async () => {
    await withRawServer(
      async (connection) => {
        await nextRequest(connection);
        await connection.send(answer("ok"));
        await new Promise((resolve) => setTimeout(resolve, 10));
        await connection.send(answer("smuggled"));
        await connection.until(() => false);
      },
      function* (session, server) {
        expect(yield* (yield* session.get("/")).text()).toBe("ok");
        while (session.connections > 0) yield* sleep(1);
        expect(yield* (yield* session.get("/")).text()).toBe("ok");
        expect(server.connections).toHaveLength(2);
      },
    );
  });

  test("drips its answer is waited for", async () => {
    await withRawServer(faults.dripsHead, function* (session) {
      expect(yield* (yield* session.get("/")).text()).toBe("ok");
    });
  });

  test("sends a body without an end can be left at any time", async () => {
    await withRawServer(faults.endlessBody, function* (session, server) {
      const response = yield* session.get("/");
      let read = 0;
      while (read < 1_000_000) read += (yield* response.body.read(65_536)).length;
      response.release();
      expect(session.connections).toBe(0);
      while (server.open() > 0) yield* sleep(1);
    });
  });

  test("breaks one connection leaves the others alone", async () => {
    await withRawServer(
      async (connection, number) => {
        for (;;) {
          await nextRequest(connection);
          if (number % 2 === 0) return connection.reset();
          await connection.send(answer(`from ${number}`));
        }
      },
      function* (session) {
        const tasks = Array.from({ length: 10 }, () => createTask(session.post("/")));
        let failed = 0;
        for (const task of tasks) {
          try {
            expect(yield* (yield* task).text()).toMatch(/^from \d*[13579]$/);
          } catch (error) {
            expect(error).toBeInstanceOf(ServerDisconnectedError);
            failed++;
          }
        }
        expect(failed).toBeGreaterThan(0);
        expect(failed).toBeLessThan(10);
        expect(session.connections).toBeLessThanOrEqual(10 - failed);
      },
    );
  });
});
