import { rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContextVar, sleep, until } from "corio";
import { describe, expect, it } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { runConnected } from "../../../node/test/support/run-connected.js";
import { Response, serve } from "../../src/index.js";
import { ask, eventually, serving } from "./serving.js";

const certificates = useCertificates();

describe("A server", () => {
  it("says where it listens", () =>
    serving(
      () => new Response("ok"),
      // biome-ignore lint/correctness/useYield: nothing to wait for
      function* (server) {
        expect(server.host).toBe("127.0.0.1");
        expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
        expect(server.isServing).toBe(true);
      },
    ));

  it("fails to listen where somebody else does", () =>
    serving(
      () => new Response("ok"),
      function* ({ port }) {
        let failure: unknown;
        try {
          yield* serve(() => new Response("ok"), { host: "127.0.0.1", port });
        } catch (error) {
          failure = error;
        }
        expect(failure).toMatchObject({ code: "EADDRINUSE" });
      },
    ));

  it("listens at a path", () => {
    const path = join(tmpdir(), `corio-http-${process.pid}.sock`);
    return runConnected(function* () {
      const server = yield* serve(({ url }) => new Response(url), { path });
      try {
        expect([server.port, server.host, server.url]).toEqual([undefined, path, `unix:${path}`]);
        const text = yield* until(
          new Promise<string>((resolve, reject) => {
            httpRequest({ socketPath: path, path: "/x", agent: false }, (response) => {
              response.setEncoding("utf8").on("data", resolve);
            })
              .on("error", reject)
              .end();
          }),
        );
        expect(text).toBe("http://localhost/x");
      } finally {
        yield* server.shutdown();
        rmSync(path, { force: true });
      }
    });
  });

  it("speaks TLS", () =>
    serving(
      ({ url }) => new Response(url),
      function* (server) {
        const text = yield* until(
          new Promise<string>((resolve, reject) => {
            const { port } = server;
            httpsRequest({ host: "localhost", port, ca: certificates.ca, agent: false }, (response) => {
              response.setEncoding("utf8").on("data", resolve);
            })
              .on("error", reject)
              .end();
          }),
        );
        expect(text).toBe(`https://localhost:${server.port}/`);
      },
      {
        serve: {
          tls: {
            get cert() {
              return certificates.server.cert;
            },
            get key() {
              return certificates.server.key;
            },
          },
        },
      },
    ));

  it("speaks HTTP/2, in both directions, with bodies that nobody reads, too", () =>
    serving(
      function* (request) {
        if (request.url.endsWith("/echo")) return new Response(request.body);
        return new Response("unread");
      },
      function* (server) {
        const session = connectHttp2(`https://localhost:${server.port}`, { ca: certificates.ca });
        const ask2 = (path: string, body: Buffer): Promise<string> =>
          new Promise((resolve, reject) => {
            const stream = session.request({ ":path": path, ":method": "POST" });
            let text = "";
            stream.setEncoding("utf8").on("data", (piece: string) => {
              text += piece;
            });
            stream.on("end", () => resolve(text)).on("error", reject);
            stream.end(body);
          });
        const large = Buffer.alloc(300_000, "a");
        expect(yield* until(ask2("/echo", large))).toBe(large.toString());
        expect(yield* until(ask2("/", Buffer.from("small")))).toBe("unread");
        expect(yield* until(ask2("/", large))).toBe("unread");
        yield* eventually(() => server.requests === 0);
        // Node's client would wait on for a stream that it was told to send no more of
        session.destroy();
        yield* eventually(() => server.connections === 0);
      },
      {
        serve: {
          http2: true,
          tls: {
            get cert() {
              return certificates.server.cert;
            },
            get key() {
              return certificates.server.key;
            },
          },
        },
      },
    ));

  it("tells a client of HTTP/2 that it shuts down, and finishes what is open", () =>
    serving(
      function* () {
        yield* sleep(30);
        return new Response("promised");
      },
      function* (server) {
        const session = connectHttp2(`https://localhost:${server.port}`, { ca: certificates.ca });
        let text = "";
        let goneAway = false;
        session.on("goaway", () => {
          goneAway = true;
        });
        const stream = session.request({ ":path": "/" });
        stream.setEncoding("utf8").on("data", (piece: string) => {
          text += piece;
        });
        yield* eventually(() => server.requests === 1);
        yield* server.shutdown();
        yield* eventually(() => session.destroyed);
        expect([text, goneAway]).toEqual(["promised", true]);
      },
      {
        serve: {
          http2: true,
          tls: {
            get cert() {
              return certificates.server.cert;
            },
            get key() {
              return certificates.server.key;
            },
          },
        },
      },
    ));

  it("runs each handler in a copy of the context that it was called in", () => {
    const user = new ContextVar<string>("user");
    return runConnected(function* () {
      user.set("ada");
      const server = yield* serve(
        // biome-ignore lint/correctness/useYield: it need not wait
        function* () {
          const seen = user.get();
          user.set("alan");
          return new Response(seen);
        },
        { host: "127.0.0.1", port: 0 },
      );
      user.set("grace");
      expect([(yield* ask(server, "GET /")).body, (yield* ask(server, "GET /")).body]).toEqual(["ada", "ada"]);
      yield* server.shutdown();
    });
  });
});

describe("Options that are none are refused at once", () => {
  const wrong = [
    ["no object", 8080, "{ port: 8080 }"],
    ["an unknown name", { prot: 1 }, "no option prot"],
    ["a port beyond the last", { port: 70_000 }, "port is a number from 0 to 65,535, not 70000"],
    ["a time of no length", { writeTimeout: 0 }, "writeTimeout is in milliseconds"],
    ["a time that Node cannot keep", { handlerTimeout: 2 ** 31 }, "2,147,483,647"],
    ["a size below 0", { maxBodySize: -1 }, "maxBodySize is a number from 0"],
    ["a place and a path", { path: "/x", port: 1 }, "give one of them"],
    ["HTTP/2 without TLS", { http2: true }, "http2 needs tls"],
    [
      "headers that may take longer than the request",
      { headersTimeout: 20, requestTimeout: 10 },
      "no longer than requestTimeout",
    ],
  ] as const;
  for (const [title, options, text] of wrong) {
    it(`with ${title}`, () =>
      // biome-ignore lint/correctness/useYield: it throws before
      runConnected(function* () {
        expect(() => serve(() => new Response("ok"), options as never)).toThrow(text);
      }));
  }

  it("a handler that is no function", () =>
    // biome-ignore lint/correctness/useYield: it throws before
    runConnected(function* () {
      expect(() => serve({ fetch: () => new Response("ok") } as never)).toThrow("give its fetch");
    }));
});
