import assert from "node:assert/strict";
import { asyncGenerator, type Coroutine, createTask, forEach, iterate, sleep, within } from "corio";
import { cancelledFromOutside } from "./outside.js";

/**
 * Two tasks, each with a generator that waits before what it emits and in its cleanup: one takes all, the other one leaves after the
 * first. Each is cancelled from outside at some time. When they have left, the generator has cleaned up.
 */
export function* closedWhenLeft(injected: boolean): Coroutine<void> {
  interface Counter {
    open: number;
  }

  const numbers = asyncGenerator(function* (counter: Counter) {
    counter.open++;
    try {
      for (const number of [1, 2]) {
        yield* sleep(0);
        yield number;
      }
    } finally {
      try {
        yield* sleep(0);
      } finally {
        counter.open--;
      }
    }
  });

  function* checked(body: (counter: Counter) => Coroutine<void>): Coroutine<void> {
    const counter = { open: 0 };
    try {
      yield* body(counter);
    } finally {
      assert.equal(counter.open, 0, "left, and not closed");
    }
    yield* sleep(0);
  }

  function* takesAll(counter: Counter): Coroutine<void> {
    const taken: number[] = [];
    yield* within(iterate(numbers(counter)), function* (it) {
      while (yield* it.next()) taken.push(it.value);
    });
    assert.deepEqual(taken, [1, 2]);
  }

  function* takesOne(counter: Counter): Coroutine<void> {
    const found = yield* forEach(numbers(counter), function* (number, stop) {
      yield* sleep(0);
      return stop(number);
    });
    assert.equal(found, 1);
  }

  const tasks = [takesAll, takesOne].map((main) => createTask(checked(main), { name: main.name }));
  yield* cancelledFromOutside(tasks, injected);
}
