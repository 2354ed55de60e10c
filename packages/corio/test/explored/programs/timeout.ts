import assert from "node:assert/strict";
import {
  type Coroutine,
  createTask,
  currentTask,
  getRunningLoop,
  isCancelled,
  sleep,
  type Timeout,
  TimeoutError,
  timeout,
  waitFor,
  within,
} from "corio";
import { cancelledFromOutside } from "./outside.js";

/**
 * A block with a time limit. A TimeoutError comes only when the time is up, and only if nobody else has asked for a cancellation;
 * any other cancellation is somebody else's; the limit's own request is taken back.
 */
function* limited(ms: number, body: (limit: Timeout) => Coroutine<void>): Coroutine<"in time" | "timed out"> {
  const task = currentTask();
  const before = task.cancelling;
  const limit = timeout(ms);
  let thrown: unknown;
  try {
    yield* within(limit, function* () {
      try {
        yield* body(limit);
      } catch (error) {
        thrown = error;
        throw error;
      }
    });
  } catch (error) {
    if (error === thrown) {
      assert.ok(isCancelled(error));
      assert.ok(task.cancelling > before, "cancelled, and nobody asked for it");
      throw error;
    }
    assert.ok(error instanceof TimeoutError && isCancelled(thrown));
    assert.ok(limit.expired);
    assert.ok(getRunningLoop().time() >= (limit.when as number), "the time was not up");
    assert.equal(task.cancelling, before, "timed out, and the request was not taken back");
    return "timed out";
  }
  assert.equal(limit.expired, false);
  assert.equal(task.cancelling, before);
  return "in time";
}

/**
 * Tasks with time limits, one after another, in each other, that are put off, and in the cleanup after a cancellation; each is
 * cancelled from outside at the time at which its limits are up.
 */
export function* limits(injected: boolean): Coroutine<void> {
  function* oneAfterAnother(): Coroutine<void> {
    try {
      yield* limited(2, () => sleep(1));
      assert.equal(yield* limited(2, () => sleep(3)), "timed out");
    } catch (error) {
      if (!isCancelled(error)) throw error;
      assert.equal(yield* limited(1, () => sleep(2)), "timed out");
      throw error;
    }
    yield* sleep(0);
  }

  function* inEachOther(): Coroutine<void> {
    const whole = yield* limited(3, function* () {
      assert.equal(yield* limited(2, () => sleep(9)), "timed out");
      yield* sleep(9);
    });
    assert.equal(whole, "timed out");
    yield* sleep(0);
  }

  function* putOff(): Coroutine<void> {
    yield* limited(0, function* (limit) {
      limit.reschedule(getRunningLoop().time() + 2);
      yield* sleep(1);
      limit.reschedule(null);
      yield* sleep(1);
    });
    yield* sleep(0);
  }

  const tasks = [oneAfterAnother, inEachOther, putOff].map((main) => createTask(main, { name: main.name }));
  yield* cancelledFromOutside(tasks, injected, { after: 2 });
}

/**
 * Tasks that wait for something no longer than a time: for a coroutine, for a task, for a task that is to be done already. Whatever
 * comes of it, what they wait for has ended when they go on, with its cleanup.
 */
export function* waits(injected: boolean): Coroutine<void> {
  class Work {
    begun = false;
    over = false;

    *run(ms: number): Coroutine<string> {
      this.begun = true;
      try {
        yield* sleep(ms);
        return "result";
      } finally {
        try {
          yield* sleep(0);
        } finally {
          this.over = true;
        }
      }
    }

    check(): void {
      assert.equal(this.over, this.begun, "what was waited for still goes on");
    }
  }

  function* waiter(makeTask: boolean, ms: number, limit: number): Coroutine<void> {
    const work = new Work();
    const task = makeTask ? createTask(work.run(ms), { name: "work" }) : undefined;
    try {
      if (limit === 0) yield* sleep(1);
      assert.equal(yield* waitFor(task ?? work.run(ms), limit), "result");
    } catch (error) {
      if (error instanceof TimeoutError) work.check();
      else if (limit > 0) work.check();
      else task?.cancel();
      if (!(error instanceof TimeoutError)) throw error;
      assert.equal(currentTask().cancelling, 0);
    }
    yield* sleep(0);
  }

  const tasks = [
    createTask(waiter(false, 2, 2), { name: "waits for a coroutine" }),
    createTask(waiter(true, 2, 2), { name: "waits for a task" }),
    createTask(waiter(true, 1, 0), { name: "takes the result" }),
  ];
  yield* cancelledFromOutside(tasks, injected, { after: 2 });
  yield* sleep(1); // what was waited for may still clean up
}
