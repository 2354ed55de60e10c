import { attempt, type Coroutine, forEach, wait, within } from "corio";
import { describe, expect, test } from "vitest";
import { cancelAtEachStep, type Moment, moments } from "../../../node/test/support/cancel-at-each-step.js";
import { runConnected } from "../../../node/test/support/run-connected.js";
import type { WebSocketConnection } from "../../src/websocket/websocket-connection.js";
import { connectTo } from "./peers.js";
import { UpgradingServer } from "./upgrading-server.js";

/** Waits in every way there is. */
function* talk(socket: WebSocketConnection): Coroutine<void> {
  yield* socket.send("x".repeat(1_000_000));
  // behind what fills the buffers
  yield* socket.send("more");
  expect((yield* socket.receive()).length).toBe(1_000_000);
  expect(yield* socket.receive()).toBe("more");
  yield* socket.ping();
  yield* socket.close();
}

function* echo(socket: WebSocketConnection): Coroutine<void> {
  yield* forEach(socket, (message) => socket.send(message));
}

describe.each<Moment>(moments)("cancelled %s", (moment) => {
  test("a client leaves no connection behind, and its server no task", async () => {
    await cancelAtEachStep(moment, (cancelAt) =>
      runConnected(function* () {
        yield* within(UpgradingServer.of(echo), function* (server) {
          yield* cancelAt(
            (function* (): Coroutine<void> {
              yield* within(yield* connectTo(server), talk);
            })(),
          );
          // whether the client has got so far or not
          if (server.tasks.length > 0) yield* wait(server.tasks);
        });
      }),
    );
  });

  test("a handler leaves no connection behind, and its client comes to know", async () => {
    await cancelAtEachStep(moment, (cancelAt) =>
      runConnected(function* () {
        let cancelled = false;
        const server = UpgradingServer.of(function* (socket) {
          ({ cancelled } = yield* cancelAt(within(socket, talk)));
        });
        yield* within(server, function* () {
          const socket = yield* connectTo(server);
          yield* attempt(echo(socket));
          yield* yield* server.task();
          // cut, if the cancellation came while it was closing
          expect(cancelled ? [1000, 1001, 1006] : [1000]).toContain(socket.closeCode);
        });
      }),
    );
  });
});
