import { createHash } from "node:crypto";
import { type AsyncGenerator, asyncGenerator, type Coroutine, forEach, isCancelled, sleep, within } from "corio";
import { type ConnectedOptions, runConnected } from "../../../node/test/support/run-connected.js";
import {
  HttpError,
  type HttpServer,
  Response,
  serve,
  type ServeOptions,
  upgradeWebSocket,
  type WebSocketConnection,
} from "../../src/index.js";

/** What `/echo` tells of a request. */
export interface EchoedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  /** Of the body, in bytes. */
  readonly length: number;
  readonly sha256: string;
  /** The first 1,000 letters of the body, as UTF-8. */
  readonly text: string;
  /** In how many pieces the body came. */
  readonly pieces: number;
}

/** A server of ours that clients of others talk to, and what became of its requests. */
export class Service {
  /** How many requests have been handled. */
  handled = 0;
  /** How many WebSockets were opened. */
  sockets = 0;
  /** The paths of those that wait, in `/wait` and `/stream`. */
  readonly waiting = new Set<string>();
  /** The paths of those that were cancelled, with the reason. */
  readonly cancelled: [path: string, reason: unknown][] = [];
  /** Close codes of the WebSockets that are over. */
  readonly closed: (number | undefined)[] = [];

  /** The handler. */
  readonly handle = (request: Request): Coroutine<Response> => this.#handle(request);

  /** Waits until so many were cancelled. */
  *untilCancelled(count: number): Coroutine<void> {
    while (this.cancelled.length < count) yield* sleep(2);
  }

  /** Waits until so many wait. */
  *untilWaiting(count: number): Coroutine<void> {
    while (this.waiting.size < count) yield* sleep(2);
  }

  *#handle(request: Request): Coroutine<Response> {
    this.handled++;
    const { pathname, searchParams } = new URL(request.url);
    const number = (name: string, otherwise: number): number => Number(searchParams.get(name) ?? otherwise);
    const [, route = "", detail = ""] = pathname.split("/");
    switch (route) {
      case "":
        return new Response("<!doctype html><title>a page</title>", { headers: { "content-type": "text/html" } });
      case "echo":
        return yield* this.#echo(request, number("ms", 0));
      case "status":
        return new Response(null, { status: Number(detail), headers: Object.fromEntries(searchParams) });
      case "bytes":
        return new Response(new Uint8Array(Number(detail)).fill(120));
      case "stream":
        return new Response(this.#stream(pathname, number("n", 10), number("size", 1_000), number("ms", 0)));
      case "events":
        return new Response(events(Number(request.headers.get("last-event-id") ?? 0), number("n", 3)), {
          headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
        });
      case "wait":
        return yield* this.#wait(pathname, number("ms", 600_000));
      // answers without a look at the body
      case "unread":
        return new Response("unread", { status: 413 });
      case "fail":
        throw detail === "http" ? new HttpError(418, "a teapot") : new Error("a secret");
      case "ws":
        return upgradeWebSocket(request, (socket) => this.#converse(socket), { protocols: ["echo", "other"] });
      default:
        throw new HttpError(404);
    }
  }

  *#echo(request: Request, ms: number): Coroutine<Response> {
    const checksum = createHash("sha256");
    let length = 0;
    let pieces = 0;
    let text = "";
    const decoder = new TextDecoder();
    if (request.body !== null) {
      yield* forEach(request.body, function* (piece: Uint8Array) {
        checksum.update(piece);
        length += piece.length;
        pieces++;
        if (text.length < 1_000) text += decoder.decode(piece, { stream: true });
        if (ms > 0) yield* sleep(ms);
      });
    }
    const { method, url, headers } = request;
    const echoed: EchoedRequest = {
      method,
      url,
      headers: Object.fromEntries(headers),
      length,
      sha256: checksum.digest("hex"),
      text: text.slice(0, 1_000),
      pieces,
    };
    return Response.json(echoed);
  }

  *#wait(path: string, ms: number): Coroutine<Response> {
    this.waiting.add(path);
    try {
      yield* sleep(ms);
      return new Response("waited");
    } catch (error) {
      if (isCancelled(error)) this.cancelled.push([path, error.reason]);
      throw error;
    } finally {
      this.waiting.delete(path);
    }
  }

  /** So many pieces, each the digit of its number repeated; notes who lets it stop. */
  #stream(path: string, n: number, size: number, ms: number): AsyncGenerator<string, void, unknown> {
    const { waiting, cancelled } = this;
    return asyncGenerator(function* () {
      waiting.add(path);
      let whole = false;
      try {
        for (let i = 0; i < n; i++) {
          if (ms > 0) yield* sleep(ms);
          yield String(i % 10).repeat(size);
        }
        whole = true;
      } finally {
        waiting.delete(path);
        if (!whole) cancelled.push([path, undefined]);
      }
    })();
  }

  *#converse(socket: WebSocketConnection): Coroutine<void> {
    this.sockets++;
    try {
      yield* forEach(socket, function* (message) {
        if (message === "close") yield* socket.close(4001, "as you wish");
        else if (message === "wait") yield* sleep(600_000);
        else yield* socket.send(message);
      });
    } finally {
      this.closed.push(socket.closeCode);
    }
  }
}

/** So many events, numbered on from the last one that the client has. */
const events = asyncGenerator(function* (last: number, n: number) {
  yield "retry: 1\n\n";
  for (let id = last + 1; id <= last + n; id++) yield `id: ${id}\nevent: tick\ndata: ${id}\ndata: ü\n\n`;
});

/** Options of the server, and how the run may end. */
export interface ServingOptions extends ServeOptions, ConnectedOptions {}

/** Runs a coroutine while the service serves, and expects that nothing of it is left. */
export async function serving(
  body: (server: HttpServer, service: Service) => Coroutine<void>,
  { reports, debug, ...options }: ServingOptions = {},
): Promise<void> {
  await runConnected(
    function* () {
      const service = new Service();
      const server = yield* serve(service.handle, { host: "127.0.0.1", port: 0, ...options });
      yield* within(server, () => body(server, service));
      if (server.connections !== 0 || server.requests !== 0) {
        throw new Error(`left: ${server.connections} connections, ${server.requests} requests`);
      }
      if (service.waiting.size > 0) throw new Error(`still waiting: ${[...service.waiting].join(", ")}`);
    },
    { ...(reports && { reports }), ...(debug !== undefined && { debug }) },
  );
}
