import { test } from "@corio/testing/vitest";
import { createTask, type Coroutine, getRunningLoop, isCancelled, sleep, wait } from "corio";
import { expect } from "vitest";
import { WebSocketClosedError } from "../../src/errors/websocket-closed-error.js";
import { type ConnectionWatch, HandlerWatch } from "./internals.js";

/** When a handler is cancelled that is watched with a grace of 100 ms, on virtual time; `undefined` if it is not within a second. */
function* cancelledAt(events: (watch: ConnectionWatch) => Coroutine<void>): Coroutine<number | undefined> {
  const loop = getRunningLoop();
  let at: number | undefined;
  const handler = createTask(function* () {
    try {
      yield* sleep(1_000);
    } catch (error) {
      if (!isCancelled(error)) throw error;
      expect(error.reason).toBeInstanceOf(WebSocketClosedError);
      expect(error.reason).toMatchObject({ closeCode: 4000, reason: "gone" });
      at = loop.time();
      throw error;
    }
  });
  const watch = new HandlerWatch(loop, handler, { closeCode: 4000, closeReason: "gone" }, 100);
  yield* events(watch);
  yield* wait([handler]);
  watch.stop();
  return at;
}

test("cancels at once who has never received and waits for something else", function* () {
  const at = cancelledAt(function* (watch) {
    yield* sleep(10);
    watch.ended(false);
  });
  expect(yield* at).toBe(10);
});

test("gives time to who waited for the connection, for he is about to be told", function* () {
  const at = cancelledAt(function* (watch) {
    yield* sleep(10);
    watch.ended(true);
  });
  expect(yield* at).toBe(110);
});

test("leaves alone who has been told, before the end or after it", function* () {
  const before = cancelledAt(function* (watch) {
    watch.told();
    watch.ended(false);
  });
  expect(yield* before).toBeUndefined();
  const after = cancelledAt(function* (watch) {
    watch.receives();
    watch.ended(false);
    yield* sleep(99);
    watch.told();
  });
  expect(yield* after).toBeUndefined();
});

test("gives time anew for each message that is taken after the end", function* () {
  const at = cancelledAt(function* (watch) {
    watch.receives();
    watch.ended(false);
    for (let i = 0; i < 3; i++) {
      yield* sleep(90);
      watch.receives();
    }
  });
  expect(yield* at).toBe(3 * 90 + 100);
});

test("sets no timer while the connection is open", function* () {
  const at = cancelledAt(function* (watch) {
    watch.receives();
    yield* sleep(500);
  });
  expect(yield* at).toBeUndefined();
});
