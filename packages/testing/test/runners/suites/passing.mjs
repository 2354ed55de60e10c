import { it, test } from "@corio/testing/RUNNER";
import { contextManager, getRunningLoop, Queue, sleep, timeout, until, within } from "corio";
import assert from "node:assert/strict";

const log = [];
const loops = new Set();

test("a day passes", function* () {
  loops.add(getRunningLoop());
  const start = getRunningLoop().time();
  yield* sleep(24 * 60 * 60 * 1000);
  assert.equal(getRunningLoop().time() - start, 24 * 60 * 60 * 1000);
});

it("is the same function", function* () {
  loops.add(getRunningLoop());
  yield* sleep(1);
});

test("real time passes", { time: "real" }, function* () {
  loops.add(getRunningLoop());
  const start = performance.now();
  yield* sleep(20);
  yield* until(new Promise((resolve) => setTimeout(resolve, 20)));
  assert.ok(performance.now() - start >= 38);
});

test.with({ time: "real" })("options may be set for several", function* () {
  const start = performance.now();
  yield* sleep(20);
  assert.ok(performance.now() - start >= 19);
});

test.skip("one that is skipped", function* () {
  throw new Error("what is skipped does not run");
});

test.todo("one that is to be written");

test.fails("one that has to fail", function* () {
  yield* sleep(1);
  assert.equal(1, 2);
});

test.each([
  [1, 2, 3],
  [2, 3, 5],
])("%d + %d = %d", function* (a, b, sum) {
  yield* sleep(1);
  assert.equal(a + b, sum);
});

const databaseTest = test
  .extend({
    database: contextManager(function* () {
      yield* sleep(1);
      log.push("open");
      try {
        yield "database";
      } finally {
        yield* sleep(1);
        log.push("close");
      }
    }),
  })
  .extend({
    users: ({ database }) => ({
      enter: () => `users of ${database}`,
      exit: () => void log.push("no users"),
    }),
  });

databaseTest("fixtures are there", function* ({ database, users }) {
  log.push(`${database}, ${users}`);
  yield* sleep(1);
});

test("fixtures have gone in reverse", function* () {
  assert.deepEqual(log, ["open", "database, users of database", "no users", "close"]);
});

test("a queue hands over", function* () {
  const queue = new Queue({ maxSize: 1 });
  yield* queue.put("text");
  assert.equal(yield* within(timeout(1_000), () => queue.get()), "text");
});

test("each has had a loop of its own", function* () {
  assert.equal(loops.size, 3);
  for (const loop of loops) assert.ok(loop.closed);
});
