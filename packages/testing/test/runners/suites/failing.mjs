import { test } from "@corio/testing/RUNNER";
import { contextManager, coroutine, createTask, Event, getRunningLoop, Lock, sleep, within } from "corio";
import assert from "node:assert/strict";
import { createServer } from "node:net";

test("an assertion", function* () {
  yield* sleep(1);
  assert.equal("one", "two", "these two differ");
});

function* deposit(lock) {
  yield* within(lock, () => new Event().wait());
}

test("a deadlock", function* transfer() {
  const lock = new Lock();
  createTask(deposit(lock), { name: "deposit" });
  yield* sleep(1);
  yield* lock.acquire();
});

test("a deadlock in real time", { time: "real" }, function* withdraw() {
  yield* new Event().wait();
});

test("too late", { timeout: 50 }, function* endless() {
  for (;;) yield* sleep(20);
});

test("too late in real time", { time: "real", timeout: 60 }, function* slow() {
  for (;;) yield* sleep(20);
});

function* heartbeat() {
  for (;;) yield* sleep(60_000);
}

test("a task is left", function* () {
  createTask(heartbeat, { name: "heartbeat" });
  yield* sleep(1);
});

test("a timer is left", function* () {
  getRunningLoop().callLater(7_777, () => {});
});

test("a server is left", function* () {
  createServer().listen(0, "127.0.0.1");
});

test("an interval is left", function* () {
  setInterval(() => {}, 5_555);
});

test("an error is left", function* () {
  createTask(function* failing() {
    throw new Error("nobody has looked at this");
  });
  yield* sleep(1);
});

const save = coroutine(function* saveAll() {
  yield* sleep(1);
});

test("a coroutine is left", function* () {
  save();
});

test("an assertion, and a task is left", function* () {
  createTask(heartbeat, { name: "another heartbeat" });
  yield* sleep(1);
  assert.equal(1, 2, "this goes first");
});

const closing = (name, error) =>
  contextManager(function* () {
    yield name;
    if (error !== undefined) throw new Error(error);
  });

test.extend({ database: closing("database", "cannot close the database") })(
  "a fixture does not close",
  function* () {},
);

test.extend({
  nothing: () => {},
})("a fixture is none", function* () {});

test.fails("one that passes and had to fail", function* () {
  yield* sleep(1);
});

test("the next one is clean", function* () {
  yield* sleep(1_000);
});
