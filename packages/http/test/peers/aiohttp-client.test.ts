import { createHash, randomBytes } from "node:crypto";
import { type Coroutine, createTask, gather, sleep, until, wait } from "corio";
import { expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { thrownBy } from "../../../node/test/support/thrown-by.js";
import type { HttpServer } from "../../src/index.js";
import { type AiohttpClient, startAiohttpClient } from "../support/aiohttp-client.js";
import { describeWith } from "../support/programs.js";
import { useStarted } from "../support/started.js";
import { type Service, serving, type ServingOptions } from "./service.js";

const sha256 = (data: string): string => createHash("sha256").update(data).digest("hex");

const text = randomBytes(600_000).toString("hex");

/** A test in which it asks the service. */
type Asking = (
  body: (client: AiohttpClient, url: (path: string) => string, service: Service, server: HttpServer) => Coroutine<void>,
  options?: ServingOptions,
) => () => Promise<void>;

const askingBy =
  (client: () => AiohttpClient): Asking =>
  (body, options) =>
  () =>
    serving((server, service) => body(client(), (path) => server.url + path, service, server), options);

describeWith("aiohttp")("a client of aiohttp", () => {
  const client = useStarted(() => startAiohttpClient());
  const asking = askingBy(client);

  test(
    "is answered",
    asking(function* (client, url) {
      const headers = [["X-One", "1"]] as const;
      const echoed = yield* until(client.request({ url: url("/echo?a=b%20c"), headers }));
      expect(echoed).toMatchObject({ status: 200, reason: "OK", version: "1.1" });
      expect(JSON.parse(echoed.text)).toMatchObject({
        method: "GET",
        url: url("/echo?a=b%20c"),
        headers: { "x-one": "1" },
        length: 0,
      });
      for (const status of [201, 204, 304, 404, 500]) {
        const answer = yield* until(client.request({ url: url(`/status/${status}?set-cookie=a%3D1`) }));
        expect(answer).toMatchObject({ status, length: 0 });
        expect(answer.headers).toContainEqual(["set-cookie", "a=1"]);
      }
      expect(yield* until(client.request({ url: url("/bytes/3000000") }))).toMatchObject({ length: 3_000_000 });
      expect(yield* until(client.request({ url: url("/bytes/10"), method: "HEAD" }))).toMatchObject({ length: 0 });
    }),
  );

  test(
    "sends bodies",
    asking(
      function* (client, url) {
        const whole = yield* until(client.request({ url: url("/echo"), method: "POST", body: text }));
        expect(JSON.parse(whole.text)).toMatchObject({ length: text.length, sha256: sha256(text) });
        const chunks = ["one ", "two ", "", "grüße"];
        const streamed = yield* until(client.request({ url: url("/echo"), method: "PUT", chunks, ms: 10 }));
        expect(JSON.parse(streamed.text)).toMatchObject({
          method: "PUT",
          headers: { "transfer-encoding": "chunked" },
          text: chunks.join(""),
        });
      },
      { maxBodySize: 2_000_000 },
    ),
  );

  test(
    "sends more than is allowed, and gets 413",
    asking(
      function* (client, url) {
        for (const body of [{ body: text }, { chunks: [text, text] }]) {
          expect(yield* until(client.request({ url: url("/echo"), method: "POST", ...body }))).toMatchObject({
            status: 413,
          });
          const unread = yield* until(client.request({ url: url("/unread"), method: "POST", ...body }));
          expect(unread).toMatchObject({ status: 413, text: "unread" });
        }
        expect(yield* until(client.request({ url: url("/bytes/3") }))).toMatchObject({ text: "xxx" });
      },
      { maxBodySize: 100_000 },
    ),
  );

  test(
    "reads a stream, or a part of it",
    asking(function* (client, url, service) {
      const whole = yield* until(client.request({ url: url("/stream?n=50&size=1000") }));
      const expected = Array.from({ length: 50 }, (_, i) => String(i % 10).repeat(1_000)).join("");
      expect(whole).toMatchObject({ length: 50_000, sha256: sha256(expected) });
      const part = yield* until(client.request({ url: url("/stream?n=1000&size=1000&ms=5"), stopAfter: 3_000 }));
      expect(part.length).toBeLessThan(100_000);
      yield* service.untilCancelled(1);
      expect(service.waiting.size).toBe(0);
    }),
  );

  test(
    "goes away when its time is up, which cancels the handlers",
    asking(function* (client, url, service) {
      const asked = Array.from({ length: 20 }, (_, i) =>
        createTask(thrownBy(until(client.request({ url: url(`/wait/${i}`), timeout: 200 })))),
      );
      yield* service.untilCancelled(20);
      const errors = yield* gather(...asked);
      for (const error of errors) expect(error).toMatchObject({ name: "TimeoutError" });
      expect(service.cancelled[0]?.[1]).toMatchObject({ code: "ERR_CORIO_CLIENT_GONE" });
    }),
  );

  test(
    "asks many times, side by side",
    asking(function* (client, url, service, server) {
      const came = yield* until(client.many({ url: url("/bytes/1000"), count: 2_000, atOnce: 100 }));
      expect(came).toEqual({ 200: 2_000 });
      expect(service.handled).toBe(2_000);
      expect(server.connections).toBeLessThanOrEqual(100);
    }),
  );

  test(
    "loses no answer when the server shuts down meanwhile",
    asking(function* (client, url, service, server) {
      const asking = createTask(until(client.many({ url: url("/wait/x?ms=20"), count: 400, atOnce: 40 })));
      while (service.handled < 100) yield* sleep(5);
      yield* server.shutdown();
      const came = yield* asking;
      // those that came later found nobody
      const { 200: answered, ...refused } = came;
      expect(answered).toBe(service.handled);
      // a connection that was kept may be closed just when aiohttp sends the next request
      for (const name of Object.keys(refused))
        expect(name).toMatch(/^(ClientConnector|ServerDisconnected|ClientOS)Error$/);
    }),
  );

  test(
    "speaks WebSocket",
    asking(function* (client, url, service) {
      const conversation = {
        url: url("/ws"),
        protocols: ["unknown", "other"],
        send: ["one", "grüße", "x".repeat(1_000_000)],
      };
      const conversed = yield* until(client.webSocket(conversation));
      expect(conversed).toEqual({ received: conversation.send, protocol: "other", closeCode: 1000 });
      const closing = yield* until(client.webSocket({ url: url("/ws"), send: ["close"] }));
      expect(closing).toMatchObject({ received: [], closeCode: 4001 });
      const own = yield* until(client.webSocket({ url: url("/ws"), send: ["a"], close: 4321 }));
      expect(own).toMatchObject({ received: ["a"] });
      while (service.closed.length < 3) yield* sleep(2);
      // aiohttp answers a close with 1000, whatever it was told
      expect(service.closed).toEqual([1000, 1000, 4321]);
    }),
  );

  test(
    "speaks WebSocket, many at once",
    asking(function* (client, url, service) {
      const conversations = Array.from({ length: 50 }, (_, i) =>
        until(client.webSocket({ url: url("/ws"), send: [`${i}`] })),
      );
      const conversed = yield* gather(...conversations);
      expect(conversed.map(({ received }) => received)).toEqual(Array.from({ length: 50 }, (_, i) => [`${i}`]));
      expect(service.sockets).toBe(50);
    }),
  );

  test(
    "is refused WebSockets from another origin, or where there are none",
    asking(function* (client, url) {
      const foreign = client.webSocket({ url: url("/ws"), headers: [["origin", "https://evil.example"]] });
      expect(yield* thrownBy(until(foreign))).toMatchObject({ name: "WSServerHandshakeError", status: 403 });
      expect(yield* thrownBy(until(client.webSocket({ url: url("/bytes/1") })))).toMatchObject({ status: 200 });
      expect(yield* thrownBy(until(client.webSocket({ url: url("/nothing") })))).toMatchObject({ status: 404 });
    }),
  );

  test(
    "is told 1001 by a server that shuts down",
    asking(function* (client, url, service, server) {
      const conversing = createTask(until(client.webSocket({ url: url("/ws"), send: ["a"], expect: 2 })));
      while (service.sockets === 0) yield* sleep(2);
      yield* sleep(20);
      yield* server.shutdown();
      expect(yield* conversing).toMatchObject({ received: ["a"], closeCode: 1001 });
      expect(service.closed).toEqual([1000]);
    }),
  );

  test(
    "is cut off by a server that cannot wait for the handler of its WebSocket",
    asking(function* (client, url, service, server) {
      const conversing = createTask(until(client.webSocket({ url: url("/ws"), send: ["wait"] })));
      while (service.sockets === 0) yield* sleep(2);
      yield* sleep(20);
      yield* server.shutdown(50);
      yield* wait([conversing]);
      expect(conversing.result()).toMatchObject({ received: [], closeCode: 1001 });
    }),
  );
});

describeWith("aiohttp", "openssl")("a client of aiohttp with TLS", () => {
  const certificates = useCertificates();
  const asking = askingBy(useStarted(() => startAiohttpClient({ ca: certificates.ca })));

  test("is answered, and speaks WebSocket", () =>
    asking(
      function* (client, url) {
        const localhost = (path: string): string => url(path).replace("127.0.0.1", "localhost");
        const conversed = yield* until(client.webSocket({ url: localhost("/ws"), send: ["text"] }));
        expect(conversed).toMatchObject({ received: ["text"], closeCode: 1000 });
        const echoed = yield* until(client.request({ url: localhost("/echo"), method: "POST", body: text }));
        expect(JSON.parse(echoed.text)).toMatchObject({ url: localhost("/echo"), sha256: sha256(text) });
      },
      { tls: certificates.server, maxBodySize: 2_000_000 },
    )());
});
