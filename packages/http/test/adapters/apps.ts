import { type Coroutine, isCancelled, sleep, within } from "corio";
import { expect } from "vitest";
import { type ConnectedOptions, type Report, runConnected } from "../../../node/test/support/run-connected.js";
import { ClientSession, type HttpServer, type RequestHandler, serve, type ServeOptions } from "../../src/index.js";

/** Notes what happens, in its order. */
export class Journal {
  readonly entries: string[] = [];

  note(entry: string): void {
    this.entries.push(entry);
  }

  /** Waits, and notes how that ended; afterwards it cleans up, which takes a moment. */
  *waits(name: string, ms = 600_000): Coroutine<void> {
    this.note(`${name} waits`);
    try {
      yield* sleep(ms);
      this.note(`${name} waited`);
    } catch (error) {
      this.note(`${name} ${isCancelled(error) ? "cancelled" : String(error)}`);
      throw error;
    } finally {
      yield* sleep(5);
      this.note(`${name} over`);
    }
  }

  /** Waits until something was noted. */
  *until(entry: string): Coroutine<void> {
    while (!this.entries.includes(entry)) yield* sleep(1);
  }
}

/** Options of the server, and how the run may end. */
export interface ServedOptions extends ServeOptions, ConnectedOptions {}

/** Serves by `serve` while a coroutine runs, which gets a session whose base the server is; and expects that nothing is left. */
export async function served(
  handler: RequestHandler,
  body: (session: ClientSession, server: HttpServer, reports: readonly Report[]) => Coroutine<void>,
  { reports, ...options }: ServedOptions = {},
): Promise<void> {
  await runConnected(
    function* (reports) {
      const server = yield* serve(handler, { host: "127.0.0.1", port: 0, ...options });
      yield* within(server, new ClientSession({ baseUrl: server.url }), (server, session) =>
        body(session, server, reports),
      );
      expect([server.connections, server.requests]).toEqual([0, 0]);
    },
    reports === undefined ? {} : { reports },
  );
}

/** The text of an answer. */
export function* textOf(session: ClientSession, path: string): Coroutine<string> {
  return yield* (yield* session.get(path)).text();
}
