import { asyncGenerator, type Coroutine, createTask, Event, forEach, isCancelled, sleep, until, within } from "corio";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { runConnected } from "../../../node/test/support/run-connected.js";
import {
  HttpError,
  type HttpServer,
  Response,
  serve,
  type ServeOptions,
  upgradeWebSocket,
  type UpgradeWebSocketOptions,
  type WebSocketConnection,
} from "../../src/index.js";
import { describeInChromium, startChromium } from "../support/chromium.js";
import { describeWith } from "../support/programs.js";
import { started, useStarted } from "../support/started.js";

/** What answers at a path. */
type Routes = Readonly<Record<string, Route>>;
type Route = (request: Request) => Coroutine<Response>;

/** Answers without reading the body, and by reading more than is allowed. */
const TOO_LARGE: Routes = {
  *"/unread"() {
    return new Response("too large", { status: 413 });
  },
  *"/read"(request) {
    return new Response(yield* until(request.text()));
  },
};

describeInChromium("Chromium", () => {
  const chromium = useStarted(startChromium);

  /** Serves a page at `/` and what stands at the routes, and runs a coroutine while the page is open. */
  const browsing = (
    routes: Routes,
    body: (page: Page, server: HttpServer) => Coroutine<void>,
    options: ServeOptions = {},
  ): Promise<void> =>
    runConnected(function* () {
      const server = yield* serve(routed(routes), { host: "127.0.0.1", port: 0, ...options });
      const opened = started(() => chromium().open(server.url));
      yield* within(server, opened, (_server, { page }) => body(page, server));
      expect([server.connections, server.requests]).toEqual([0, 0]);
    });

  describe("fetches", () => {
    test("an answer that it reads while it is still being sent", () => {
      const goOn = new Event();
      const pieces = asyncGenerator(function* () {
        yield "first";
        yield* goOn.wait();
        yield "second";
      });
      return browsing(
        {
          *"/pieces"() {
            return new Response(pieces());
          },
          *"/go-on"() {
            goOn.set();
            return new Response(null, { status: 204 });
          },
        },
        function* (page) {
          const read = yield* inside<unknown[]>(
            page,
            `const reader = (await fetch("/pieces")).body.getReader();
            const next = async () => new TextDecoder().decode((await reader.read()).value);
            const first = await next();
            const { status } = await fetch("/go-on");
            return [first, status, await next(), (await reader.read()).done];`,
          );
          expect(read).toEqual(["first", 204, "second", true]);
        },
      );
    });

    test("and sends what a page can send", () =>
      browsing(
        {
          *"/echo"(request) {
            return new Response(
              `${request.method} ${request.headers.get("content-type")} ${yield* until(request.text())}`,
            );
          },
          *"/form"(request) {
            const form = yield* until(request.formData());
            const file = form.get("file") as File;
            return Response.json([form.get("a"), file.name, file.type, yield* until(file.text())]);
          },
        },
        function* (page) {
          const echoed = yield* inside<string>(
            page,
            `return (await fetch("/echo", { method: "PUT", body: "äöü" })).text();`,
          );
          expect(echoed).toBe("PUT text/plain;charset=UTF-8 äöü");
          const form = yield* inside(
            page,
            `const body = new FormData();
            body.append("a", "ü");
            body.append("file", new File(["content"], "ä.txt", { type: "text/plain" }));
            return (await fetch("/form", { method: "POST", body })).json();`,
          );
          expect(form).toEqual(["ü", "ä.txt", "text/plain", "content"]);
        },
      ));

    test("and aborts, which cancels the handler", () => {
      const waiting = new Waiting();
      return browsing({ "/wait": () => waiting.wait() }, function* (page) {
        yield* inside(
          page,
          `window.controller = new AbortController();
          window.asked = fetch("/wait", controller).catch((error) => error.name);`,
        );
        yield* waiting.begun.wait();
        expect(yield* inside(page, "controller.abort(); return asked;")).toBe("AbortError");
        yield* waiting.over.wait();
        expect(waiting.reason).toMatchObject({ code: "ERR_CORIO_CLIENT_GONE" });
      });
    });

    test("and gets the answer to a large body that nobody reads, or that is too large", () =>
      browsing(TOO_LARGE, function* (page) {
        for (const path of ["/unread", "/read"]) {
          const got = yield* inside(
            page,
            `const body = new Uint8Array(20_000_000);
            const answer = await fetch("${path}", { method: "POST", body });
            return [answer.status, (await fetch("/")).status];`,
          );
          expect(got).toEqual([413, 200]);
        }
      }));

    test("and gets all that was asked for, when the server shuts down meanwhile", () => {
      const goOn = new Event();
      let asked = 0;
      return browsing(
        {
          *"/wait"() {
            asked++;
            yield* goOn.wait();
            return new Response("answer");
          },
        },
        function* (page, server) {
          yield* inside(
            page,
            `window.asked = Array.from({ length: 5 }, (_, i) => fetch("/wait?" + i).then((it) => it.text()));`,
          );
          while (asked < 5) yield* sleep(2);
          const shutdown = createTask(server.shutdown());
          yield* sleep(0);
          goOn.set();
          expect(yield* inside(page, "return Promise.all(asked);")).toEqual(Array(5).fill("answer"));
          yield* shutdown;
        },
      );
    });

    test("an answer that it does not read, for which the source waits, and aborts, which closes it", () => {
      let produced = 0;
      const over = new Event();
      const pieces = asyncGenerator(function* () {
        try {
          for (; produced < 1_000; produced++) yield new Uint8Array(1_000_000);
        } finally {
          over.set();
        }
      });
      return browsing(
        {
          *"/pieces"() {
            return new Response(pieces());
          },
        },
        function* (page) {
          yield* inside(
            page,
            `window.controller = new AbortController();
            window.answer = await fetch("/pieces", controller);`,
          );
          yield* sleep(200);
          expect(over.isSet).toBe(false);
          expect(produced).toBeLessThan(100);
          yield* inside(page, "controller.abort();");
          yield* over.wait();
          expect(produced).toBeLessThan(1_000);
        },
      );
    });

    test("until it goes to another page, or the page is closed, which cancels the handlers", () => {
      const waitings = [new Waiting(), new Waiting()] as const;
      return browsing(
        { "/wait/0": () => waitings[0].wait(), "/wait/1": () => waitings[1].wait() },
        function* (page, server) {
          yield* inside(page, `fetch("/wait/0").catch(() => {});`);
          yield* waitings[0].begun.wait();
          yield* until(page.goto(`${server.url}/?another`));
          yield* waitings[0].over.wait();
          yield* inside(page, `fetch("/wait/1").catch(() => {});`);
          yield* waitings[1].begun.wait();
          yield* until(page.close());
          yield* waitings[1].over.wait();
          expect(waitings.map(({ reason }) => (reason as { code: unknown }).code)).toEqual(
            Array(2).fill("ERR_CORIO_CLIENT_GONE"),
          );
        },
      );
    });
  });

  test("gets events, and says after a break which one it has got last", () => {
    const last: (string | null)[] = [];
    const events = asyncGenerator(function* (id: number) {
      yield "retry: 1\n\n";
      for (const next of [id + 1, id + 2]) yield `id: ${next}\nevent: tick\ndata: ${next}\ndata: ü\n\n`;
    });
    return browsing(
      {
        *"/events"({ headers }) {
          last.push(headers.get("last-event-id"));
          return new Response(events(Number(headers.get("last-event-id"))), {
            headers: { "content-type": "text/event-stream" },
          });
        },
      },
      function* (page) {
        const got = yield* inside(
          page,
          `const source = new EventSource("/events");
          const got = [];
          await new Promise((resolve) => {
            source.addEventListener("tick", ({ data }) => got.push(data) === 5 && resolve());
          });
          source.close();
          return got;`,
        );
        expect(got).toEqual(["1\nü", "2\nü", "3\nü", "4\nü", "5\nü"]);
        expect(last.slice(0, 3)).toEqual([null, "2", "4"]);
      },
    );
  });

  test("closes its EventSource, which cancels the source of the events", () => {
    const over = new Event();
    const events = asyncGenerator(function* () {
      try {
        yield "data: one\n\n";
        yield* sleep(600_000);
      } finally {
        over.set();
      }
    });
    return browsing(
      {
        *"/events"() {
          return new Response(events(), { headers: { "content-type": "text/event-stream" } });
        },
      },
      function* (page) {
        const data = yield* inside(
          page,
          `const source = new EventSource("/events");
          const { data } = await new Promise((resolve) => void (source.onmessage = resolve));
          source.close();
          return data;`,
        );
        expect(data).toBe("one");
        yield* over.wait();
      },
    );
  });

  describe("opens WebSockets", () => {
    test("to where its page comes from, sends and gets texts and bytes, and closes them", () => {
      const sockets = new Sockets({ protocols: ["echo"] });
      return browsing(sockets.routes, function* (page) {
        const conversed = yield* converse(page, `"/ws", "echo"`, ["text", "äöü€𝄞", "", [0, 1, 255], []]);
        expect(conversed).toEqual({
          opened: true,
          protocol: "echo",
          received: ["text", "äöü€𝄞", "", [0, 1, 255], []],
          code: 4000,
          reason: "enough, ü",
          wasClean: true,
        });
        yield* sockets.untilOver(1);
        expect(sockets.over).toEqual([[4000, "enough, ü"]]);
      });
    });

    test("that the server closes with a code and a reason", () => {
      const sockets = new Sockets();
      return browsing(sockets.routes, function* (page) {
        expect(yield* converse(page, `"/ws"`, ["close"])).toMatchObject({
          received: [],
          code: 4001,
          reason: "as you wish, ü",
          wasClean: true,
        });
        yield* sockets.untilOver(1);
      });
    });

    test("that end with a message that is too large", () => {
      const sockets = new Sockets({ maxMessageSize: 1_000 });
      return browsing(sockets.routes, function* (page) {
        expect(yield* converse(page, `"/ws"`, ["x".repeat(1_000), "x".repeat(1_001)])).toMatchObject({
          opened: true,
          received: ["x".repeat(1_000)],
          code: 1009,
        });
        yield* sockets.untilOver(1);
      });
    });

    test("that are compressed, if the server wants it", () => {
      const sockets = new Sockets({ compress: true });
      return browsing(sockets.routes, function* (page) {
        const extensions = yield* inside(
          page,
          `const socket = new WebSocket("/ws");
          await new Promise((resolve) => void (socket.onopen = resolve));
          socket.close(4000);
          return socket.extensions;`,
        );
        expect(extensions).toMatch(/permessage-deflate/);
        const text = "abc".repeat(100_000);
        expect(yield* converse(page, `"/ws"`, [text])).toMatchObject({ received: [text], code: 4000 });
        yield* sockets.untilOver(2);
      });
    });

    test("that are told 1001 when the server shuts down", () => {
      const sockets = new Sockets();
      return browsing(sockets.routes, function* (page, server) {
        yield* inside(
          page,
          `const socket = new WebSocket("/ws");
          window.ending = new Promise((resolve) => void (socket.onclose = ({ code, wasClean }) => resolve([code, wasClean])));
          await new Promise((resolve) => void (socket.onopen = resolve));`,
        );
        const shutdown = createTask(server.shutdown());
        expect(yield* inside(page, "return ending;")).toEqual([1001, true]);
        yield* shutdown;
        expect(sockets.over).toHaveLength(1);
      });
    });

    test("that end with their page", () => {
      const sockets = new Sockets();
      return browsing(sockets.routes, function* (page) {
        yield* inside(
          page,
          `window.socket = new WebSocket("/ws");
          await new Promise((resolve) => void (socket.onopen = resolve));`,
        );
        yield* until(page.goto("about:blank"));
        yield* sockets.untilOver(1);
        expect(sockets.over[0]?.[0]).toBe(1001);
      });
    });

    test("not from a frame that has no origin, unless that is allowed", () => {
      const [closed, opened] = [new Sockets(), new Sockets({ origins: ["null"] })];
      return browsing(
        { "/closed": closed.routes["/ws"] as Route, "/opened": opened.routes["/ws"] as Route },
        function* (page, server) {
          const got = yield* inside(
            page,
            `const ends = [];
            const both = new Promise((resolve) => {
              onmessage = ({ data }) => ends.push(data) === 2 && resolve();
            });
            const frame = document.createElement("iframe");
            frame.sandbox = "allow-scripts";
            frame.srcdoc = \`<script>
              for (const path of ["closed", "opened"]) {
                const socket = new WebSocket("${server.url.replace("http", "ws")}/" + path);
                socket.onopen = () => socket.close(4000);
                socket.onclose = ({ code }) => parent.postMessage(path + " " + code, "*");
              }
            </script>\`;
            document.body.append(frame);
            await both;
            return ends.sort();`,
          );
          expect(got).toEqual(["closed 1006", "opened 4000"]);
          expect([closed.statuses, opened.statuses]).toEqual([[403], [101]]);
          yield* opened.untilOver(1);
        },
      );
    });

    test.each([
      { origins: "none", opened: false },
      { origins: "its", opened: true },
      { origins: "another", opened: false },
      { origins: "*", opened: true },
    ])("to another server that allows $origins origins: $opened", ({ origins, opened }) => {
      const own = new Sockets();
      return browsing(own.routes, function* (page, server) {
        const allowed = { its: [server.url], another: ["https://example.com"], "*": "*" as const, none: undefined };
        const others = new Sockets({ origins: allowed[origins as keyof typeof allowed] });
        const other = yield* serve(routed(others.routes), { host: "127.0.0.1", port: 0 });
        yield* within(other, function* () {
          const conversed = yield* converse(page, `"${other.url}/ws"`, ["text"]);
          expect(conversed).toMatchObject(
            opened ? { opened: true, received: ["text"], code: 4000 } : { opened: false, received: [], code: 1006 },
          );
          yield* others.untilOver(opened ? 1 : 0);
        });
        expect(others.over).toHaveLength(opened ? 1 : 0);
        expect(others.statuses).toEqual([opened ? 101 : 403]);
      });
    });
  });

  describeWith("openssl")("over TLS", () => {
    const certificates = useCertificates();

    /** The same over HTTP/2. */
    const browsingSecurely: typeof browsing = (routes, body) =>
      browsing(routes, body, { tls: certificates.server, http2: true });

    test("speaks HTTP/2, side by side", () => {
      let asked = 0;
      const all = new Event();
      return browsingSecurely(
        {
          *"/wait"() {
            if (++asked === 20) all.set();
            yield* all.wait();
            return new Response("answer");
          },
        },
        function* (page, server) {
          const got = yield* inside(
            page,
            `const asked = Array.from({ length: 20 }, (_, i) => fetch("/wait?" + i).then((it) => it.text()));
            const { nextHopProtocol } = performance.getEntriesByType("navigation")[0];
            return [nextHopProtocol, new Set(await Promise.all(asked)).size];`,
          );
          expect(got).toEqual(["h2", 1]);
          expect(server.connections).toBeLessThanOrEqual(2);
        },
      );
    });

    test("aborts, which cancels the handler", () => {
      const waiting = new Waiting();
      return browsingSecurely({ "/wait": () => waiting.wait() }, function* (page) {
        yield* inside(
          page,
          `window.controller = new AbortController();
          window.asked = fetch("/wait", controller).catch((error) => error.name);`,
        );
        yield* waiting.begun.wait();
        expect(yield* inside(page, "controller.abort(); return asked;")).toBe("AbortError");
        yield* waiting.over.wait();
        expect(waiting.reason).toMatchObject({ code: "ERR_CORIO_CLIENT_GONE" });
      });
    });

    test("gets the answer to a large body that nobody reads, or that is too large", () =>
      browsingSecurely(TOO_LARGE, function* (page) {
        for (const path of ["/unread", "/read"]) {
          const got = yield* inside(
            page,
            `const body = new Uint8Array(20_000_000);
            const answer = await fetch("${path}", { method: "POST", body });
            return [answer.status, (await fetch("/")).status];`,
          );
          expect(got).toEqual([413, 200]);
        }
      }));

    test("gets all that was asked for, when the server shuts down meanwhile", () => {
      const goOn = new Event();
      let asked = 0;
      return browsingSecurely(
        {
          *"/wait"() {
            asked++;
            yield* goOn.wait();
            return new Response("answer");
          },
        },
        function* (page, server) {
          yield* inside(
            page,
            `window.asked = Array.from({ length: 5 }, (_, i) => fetch("/wait?" + i).then((it) => it.text()));`,
          );
          while (asked < 5) yield* sleep(2);
          const shutdown = createTask(server.shutdown());
          yield* sleep(0);
          goOn.set();
          expect(yield* inside(page, "return Promise.all(asked);")).toEqual(Array(5).fill("answer"));
          yield* shutdown;
        },
      );
    });

    test("sends a stream that is read while it is still being sent", () => {
      const first = new Event();
      return browsingSecurely(
        {
          *"/upload"(request) {
            const texts: string[] = [];
            yield* forEach(request.body as ReadableStream<Uint8Array>, (piece: Uint8Array) => {
              texts.push(new TextDecoder().decode(piece));
              first.set();
            });
            return Response.json(texts);
          },
          *"/first"() {
            yield* first.wait();
            return new Response(null, { status: 204 });
          },
        },
        function* (page) {
          const texts = yield* inside(
            page,
            `const { readable, writable } = new TransformStream();
            const asked = fetch("/upload", { method: "POST", body: readable.pipeThrough(new TextEncoderStream()), duplex: "half" });
            const writer = writable.getWriter();
            await writer.write("one");
            await fetch("/first");
            await writer.write("two");
            await writer.close();
            return (await asked).json();`,
          );
          expect(texts).toEqual(["one", "two"]);
        },
      );
    });

    test("opens WebSockets", () => {
      const sockets = new Sockets();
      return browsingSecurely(sockets.routes, function* (page) {
        expect(yield* converse(page, `"/ws"`, ["text", [1]])).toMatchObject({ received: ["text", [1]], code: 4000 });
        yield* sockets.untilOver(1);
      });
    });
  });
});

function routed(routes: Routes): Route {
  return function* (request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/") {
      return new Response("<!doctype html><title>a page</title>", { headers: { "content-type": "text/html" } });
    }
    const route = routes[pathname];
    if (route === undefined) throw new HttpError(404);
    return yield* route(request);
  };
}

/** Runs the text of an async function in the page. */
function* inside<T = unknown>(page: Page, text: string): Coroutine<T> {
  return yield* until(page.evaluate<T>(`(async () => { ${text} })()`));
}

interface Conversed {
  readonly opened: boolean;
  readonly protocol: string;
  /** Bytes as numbers. */
  readonly received: readonly (string | readonly number[])[];
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
}

/** Has the page open a WebSocket, send, wait for as many messages, and close it with 4000; or see it closed. */
function converse(page: Page, target: string, send: readonly (string | readonly number[])[]): Coroutine<Conversed> {
  return inside<Conversed>(
    page,
    `const send = ${JSON.stringify(send)};
    const socket = new WebSocket(${target});
    socket.binaryType = "arraybuffer";
    const received = [];
    let opened = false;
    socket.onopen = () => {
      opened = true;
      for (const it of send) socket.send(typeof it === "string" ? it : new Uint8Array(it));
    };
    socket.onmessage = ({ data }) => {
      received.push(typeof data === "string" ? data : [...new Uint8Array(data)]);
      if (received.length === send.length) socket.close(4000, "enough, ü");
    };
    const { code, reason, wasClean } = await new Promise((resolve) => void (socket.onclose = resolve));
    return { opened, protocol: socket.protocol, received, code, reason, wasClean };`,
  );
}

/** A handler that waits until it is cancelled. */
class Waiting {
  readonly begun = new Event();
  readonly over = new Event();
  /** Why it was cancelled. */
  reason: unknown;

  *wait(): Coroutine<Response> {
    this.begun.set();
    try {
      yield* sleep(600_000);
      return new Response("waited");
    } catch (error) {
      if (isCancelled(error)) this.reason = error.reason;
      throw error;
    } finally {
      this.over.set();
    }
  }
}

/** A server's WebSockets at `/ws`, which send back what they get; told "close" they close. */
class Sockets {
  /** What the handshakes were answered with. */
  readonly statuses: number[] = [];
  /** How they were closed. */
  readonly over: [code: number | undefined, reason: string][] = [];
  readonly routes: Routes;

  constructor(options: UpgradeWebSocketOptions = {}) {
    const { statuses } = this;
    const handle = (socket: WebSocketConnection): Coroutine<void> => this.#handle(socket);
    this.routes = {
      *"/ws"(request) {
        const response = upgradeWebSocket(request, handle, options);
        statuses.push(response.status);
        return response;
      },
    };
  }

  *untilOver(count: number): Coroutine<void> {
    while (this.over.length < count) yield* sleep(2);
  }

  *#handle(socket: WebSocketConnection): Coroutine<void> {
    try {
      yield* forEach(socket, (message) =>
        message === "close" ? socket.close(4001, "as you wish, ü") : socket.send(message),
      );
    } finally {
      this.over.push([socket.closeCode, socket.closeReason]);
    }
  }
}
