import { inspect } from "node:util";
import { test } from "@corio/testing/vitest";
import { allTasks, type Coroutine, getRunningLoop, type Manager, until } from "corio";
import { expect } from "vitest";
import { type HttpServer, type RequestHandler, type ServeOptions, serve } from "../../src/index.js";
import { connectRaw, exchangeRaw, nextAnswer, type RawAnswer, type RawTarget } from "../support/raw-client.js";
import type { HowEnded, RawConnection } from "../support/raw-connection.js";

/** A test with real sockets, which leaves no task, timer, handle or error behind. */
export const it = test.with({ time: "real", timeout: 20_000 });

/** A server of a test, and what its loop was told. */
export class Serving implements RawTarget {
  readonly server: HttpServer;
  readonly ca: string | undefined;
  #reports: string[] = [];

  constructor(server: HttpServer, ca: string | undefined) {
    this.server = server;
    this.ca = ca;
    server.loop.exceptionHandler = (_loop, { message, exception }) =>
      void this.#reports.push(`${message}: ${exception instanceof Error ? exception : inspect(exception)}`);
  }

  get port(): number | undefined {
    return this.server.port;
  }

  get path(): string | undefined {
    return this.port === undefined ? this.server.host : undefined;
  }

  /** What was reported since this was asked last. What is not asked for fails the test. */
  reports(): string[] {
    const reports = this.#reports;
    this.#reports = [];
    return reports;
  }

  /** Sends a text over a connection of its own, and waits until the server ends it. */
  *exchange(text: string, patience?: number): Coroutine<{ received: string; ended: HowEnded | "kept open" }> {
    return yield* until(exchangeRaw(this, text, patience));
  }

  /** Waits until the server has no request any more. */
  *quiet(): Coroutine<void> {
    yield* eventually(() => this.server.requests === 0);
  }
}

/** What a test's server may be given besides its options. */
export interface ServingOptions extends ServeOptions {
  /** The authority that its clients trust. */
  readonly ca?: string;
}

/** Serves for a block, and expects afterwards that nothing is left, and that nothing was reported but what the test asked for. */
export function serving(handler: RequestHandler, { ca, ...options }: ServingOptions = {}): Manager<Serving> {
  let made: Serving;
  return {
    *enter(): Coroutine<Serving> {
      const where = options.path === undefined ? { host: "127.0.0.1", port: 0 } : {};
      made = new Serving(yield* serve(handler, { ...where, shutdownTimeout: 2_000, ...options }), ca);
      return made;
    },
    *exit(error: unknown): Coroutine<void> {
      const { server } = made;
      yield* server.shutdown();
      if (error !== undefined) return;
      expect([server.requests, server.connections, server.isServing]).toEqual([0, 0, false]);
      expect(tasksOfRequests(), "tasks of requests").toEqual([]);
      expect(made.reports(), "reports").toEqual([]);
    },
  };
}

/** The tasks of the running loop that are for requests. */
export function tasksOfRequests(): string[] {
  return [...allTasks(getRunningLoop())]
    .map(({ name }) => name)
    .filter((name) => /^[A-Z]+ [/*h]|^refusing /.test(name));
}

/** A raw client for a block. */
export function client(target: RawTarget): Manager<RawConnection> {
  let connection: RawConnection;
  return {
    *enter(): Coroutine<RawConnection> {
      connection = yield* until(connectRaw(target));
      return connection;
    },
    *exit(): Coroutine<void> {
      yield* until(connection.close());
    },
  };
}

/** Sends a text, and gives the answer to it. */
export function* ask(connection: RawConnection, text: string, method = text.split(" ", 1)[0]): Coroutine<RawAnswer> {
  yield* until(connection.send(text));
  return yield* until(nextAnswer(connection, method));
}

/** The text of a request, by its first line, headers and body. */
export function request(line: string, headers: readonly string[] = [], body = ""): string {
  return [`${line} HTTP/1.1`, "Host: localhost", ...headers, "", body].join("\r\n");
}

/** The text of a request with a body, whose length is announced. */
export function post(path: string, body: string, ...headers: readonly string[]): string {
  return request(`POST ${path}`, [`Content-Length: ${Buffer.byteLength(body, "latin1")}`, ...headers], body);
}

/** Waits until something holds. The test's time limit ends what never does. */
export function* eventually(holds: () => boolean): Coroutine<void> {
  while (!holds()) yield* turn();
}

/** Waits until the host has looked for what has come. */
export function* turn(times = 1): Coroutine<void> {
  for (let i = 0; i < times; i++) yield* until(new Promise<void>((resolve) => void setImmediate(resolve)));
}
