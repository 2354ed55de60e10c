import { connect, type Socket } from "node:net";
import { type Coroutine, Event, sleep, until, within } from "corio";
import { describe, expect } from "vitest";
import { type RequestHandler, Response } from "../../src/index.js";
import { eventually, it, request, type Serving, serving, tasksOfRequests, turn } from "./hostile-setting.js";

const COUNT = 5_000;

/** A client that is light enough for thousands. */
class LightClient {
  readonly socket: Socket;
  text = "";
  closed = false;
  error: string | undefined;

  constructor({ port }: Serving) {
    this.socket = connect({ port: port as number, host: "127.0.0.1" });
    this.socket.on("data", (data) => (this.text += data.toString("latin1")));
    this.socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code));
    this.socket.on("close", () => (this.closed = true));
  }

  get answers(): number {
    return this.text.split("HTTP/1.1 200 OK").length - 1;
  }
}

/** So many clients that are connected, not more at a time than the system keeps waiting. */
function* connected(serving: Serving): Coroutine<LightClient[]> {
  const clients: LightClient[] = [];
  while (clients.length < COUNT) {
    for (let i = 0; i < 250; i++) clients.push(new LightClient(serving));
    yield* eventually(() => serving.server.connections === clients.length);
  }
  return clients;
}

function* allClosed(clients: readonly LightClient[]): Coroutine<void> {
  yield* eventually(() => clients.every(({ closed }) => closed));
}

describe(`${COUNT} clients of one server`, () => {
  it("are all answered, twice over the same connections", { timeout: 60_000 }, function* () {
    const released = new Event();
    let begun = 0;
    const handler: RequestHandler = function* (incoming) {
      begun++;
      yield* released.wait();
      return new Response(new URL(incoming.url).pathname);
    };
    yield* within(serving(handler), function* (serving) {
      const clients = yield* connected(serving);
      for (const [i, { socket }] of clients.entries()) socket.write(request(`GET /${i}`));
      yield* eventually(() => begun === COUNT);
      expect([serving.server.connections, serving.server.requests]).toEqual([COUNT, COUNT]);
      released.set();
      yield* eventually(() => clients.every(({ answers }) => answers === 1));
      yield* serving.quiet();
      expect(tasksOfRequests()).toEqual([]);
      for (const [i, { socket }] of clients.entries()) socket.write(request(`GET /${i}`));
      yield* eventually(() => clients.every(({ answers }) => answers === 2));
      const wrong = clients.filter(({ text }, i) => !text.endsWith(`\r\n\r\n/${i}`));
      expect(wrong).toEqual([]);
      for (const { socket } of clients) socket.end();
      yield* allClosed(clients);
      yield* eventually(() => serving.server.connections === 0);
      expect(clients.filter(({ error }) => error !== undefined)).toEqual([]);
    });
  });

  it("that leave all at once cancel all their requests", { timeout: 60_000 }, function* () {
    let begun = 0;
    let ended = 0;
    const handler: RequestHandler = function* () {
      begun++;
      try {
        yield* sleep(600_000);
      } finally {
        yield* sleep(1);
        ended++;
      }
      return new Response("never");
    };
    yield* within(serving(handler), function* (serving) {
      const clients = yield* connected(serving);
      for (const { socket } of clients) socket.write(request("GET /"));
      yield* eventually(() => begun === COUNT);
      for (const { socket } of clients) socket.resetAndDestroy();
      yield* serving.quiet();
      expect(ended).toBe(COUNT);
      yield* allClosed(clients);
      yield* eventually(() => serving.server.connections === 0);
    });
  });

  it("with a request in flight each are all answered by a shutdown", { timeout: 60_000 }, function* () {
    let begun = 0;
    const handler: RequestHandler = function* () {
      begun++;
      yield* sleep(200);
      return new Response("ok");
    };
    yield* within(serving(handler, { shutdownTimeout: 30_000 }), function* (serving) {
      const clients = yield* connected(serving);
      for (const { socket } of clients) socket.write(request("GET /"));
      yield* eventually(() => begun > 0);
      yield* serving.server.shutdown();
      yield* allClosed(clients);
      expect(clients.filter(({ answers }) => answers !== 1)).toEqual([]);
      expect(begun).toBe(COUNT);
    });
  });

  it("that are idle are all closed by a shutdown, and those that are in the queue are refused", {
    timeout: 60_000,
  }, function* () {
    const released = new Event();
    const handler: RequestHandler = function* () {
      yield* released.wait();
      return new Response("ok");
    };
    const limits = { concurrency: 10, queueSize: 90, shutdownTimeout: 0 };
    yield* within(serving(handler, limits), function* (serving) {
      const clients = yield* connected(serving);
      const asking = clients.slice(0, 200);
      for (const { socket } of asking) socket.write(request("GET /"));
      yield* eventually(() => asking.filter(({ text }) => text.startsWith("HTTP/1.1 503")).length === 100);
      expect(serving.server.requests).toBe(100);
      yield* turn(2);
      yield* serving.server.shutdown();
      yield* allClosed(clients);
      expect(asking.filter(({ text }) => text.startsWith("HTTP/1.1 503"))).toHaveLength(200);
      yield* until(Promise.resolve());
    });
  });
});
