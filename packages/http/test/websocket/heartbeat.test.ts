import { test } from "@corio/testing/vitest";
import { getRunningLoop, sleep, TimeoutError } from "corio";
import { expect } from "vitest";
import { Heartbeat } from "./internals.js";

/** A connection that notes when it is pinged, on virtual time. */
class Connection {
  signsOfLife = 0;
  deaf = false;
  /** Whether the peer answers, and after how long. */
  answersAfter: number | undefined = 0;
  readonly pings: number[] = [];
  error: TimeoutError | undefined;
  lostAt: number | undefined;
  readonly #loop = getRunningLoop();

  ping(): void {
    this.pings.push(this.#loop.time());
    if (this.answersAfter !== undefined) this.#loop.callLater(this.answersAfter, () => void this.signsOfLife++);
  }

  lost(error: TimeoutError): void {
    this.error = error;
    this.lostAt = this.#loop.time();
  }
}

function beat(connection: Connection): { stop(): void } {
  return new Heartbeat(getRunningLoop(), 100, connection);
}

test("pings at every interval as long as the peer answers in time", function* () {
  const connection = new Connection();
  const heartbeat = beat(connection);
  connection.answersAfter = 49;
  yield* sleep(450);
  expect(connection.pings).toEqual([100, 200, 300, 400]);
  expect(connection.error).toBeUndefined();
  heartbeat.stop();
});

test("says that the peer is lost when half an interval passes without a sign of it", function* () {
  const connection = new Connection();
  connection.answersAfter = undefined;
  beat(connection);
  yield* sleep(1_000);
  expect(connection.pings).toEqual([100]);
  expect(connection.lostAt).toBe(160);
  expect(connection.error).toBeInstanceOf(TimeoutError);
});

test("takes an answer that comes too late for none", function* () {
  const connection = new Connection();
  connection.answersAfter = 61;
  beat(connection);
  yield* sleep(1_000);
  expect(connection.lostAt).toBe(160);
});

test("lets a loop that was held up read first what has come meanwhile", function* () {
  const connection = new Connection();
  connection.answersAfter = 51;
  const heartbeat = beat(connection);
  yield* sleep(500);
  expect(connection.error).toBeUndefined();
  heartbeat.stop();
});

test("does not judge a peer that is not listened to, and does again when it is", function* () {
  const connection = new Connection();
  connection.answersAfter = undefined;
  connection.deaf = true;
  beat(connection);
  yield* sleep(440);
  expect(connection.pings).toEqual([100, 200, 300, 400]);
  expect(connection.error).toBeUndefined();
  connection.deaf = false;
  yield* sleep(1_000);
  expect(connection.lostAt).toBe(460);
});

test("does nothing any more when it is stopped", function* () {
  const connection = new Connection();
  const heartbeat = beat(connection);
  connection.answersAfter = undefined;
  yield* sleep(120);
  heartbeat.stop();
  yield* sleep(1_000);
  expect([connection.pings, connection.error]).toEqual([[100], undefined]);
});
