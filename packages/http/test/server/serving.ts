import { type Coroutine, sleep, until, within } from "corio";
import { expect } from "vitest";
import { type ConnectedOptions, type Report, runConnected } from "../../../node/test/support/run-connected.js";
import type { HttpServer } from "../../src/server/http-server.js";
import { serve } from "../../src/server/serve.js";
import type { RequestHandler, ServeOptions } from "../../src/server/serve-options.js";
import { connectRaw, nextAnswer, type RawAnswer } from "../support/raw-client.js";
import type { RawConnection } from "../support/raw-connection.js";

/** What a test of a server may say besides. */
export interface ServingOptions extends ConnectedOptions {
  readonly serve?: ServeOptions | undefined;
}

/** Runs a coroutine while a server serves at a free port of 127.0.0.1, and expects that nothing of it is left. */
export async function serving(
  handler: RequestHandler,
  body: (server: HttpServer, reports: readonly Report[]) => Coroutine<void>,
  { serve: options, ...connected }: ServingOptions = {},
): Promise<void> {
  await runConnected(function* (reports) {
    const server = yield* serve(handler, { host: "127.0.0.1", port: 0, ...options });
    yield* within(server, (it) => body(it, reports));
    expect({ requests: server.requests, connections: server.connections }).toEqual({ requests: 0, connections: 0 });
  }, connected);
}

/** Runs a coroutine with a connection to a server, byte for byte. */
export function* connected<T>(server: HttpServer, body: (connection: RawConnection) => Coroutine<T>): Coroutine<T> {
  const connection = yield* until(connectRaw({ port: server.port }));
  try {
    return yield* body(connection);
  } finally {
    yield* until(connection.close());
  }
}

/** The text of a request. */
export function requestText(line: string, headers: readonly string[] = [], body = ""): string {
  return [`${line} HTTP/1.1`, "Host: localhost", ...headers, "", body].join("\r\n");
}

/** Sends a request over a connection of its own, and waits for the answer. */
export function ask(
  server: HttpServer,
  line: string,
  headers: readonly string[] = [],
  body?: string,
): Coroutine<RawAnswer> {
  return connected(server, (connection) => askOver(connection, line, headers, body));
}

/** The same over a connection that is there. */
export function* askOver(
  connection: RawConnection,
  line: string,
  headers: readonly string[] = [],
  body?: string,
): Coroutine<RawAnswer> {
  yield* until(connection.send(requestText(line, headers, body)));
  return yield* until(nextAnswer(connection, line.split(" ")[0]));
}

/** Waits until something holds. */
export function* eventually(holds: () => boolean): Coroutine<void> {
  while (!holds()) yield* sleep(1);
}
