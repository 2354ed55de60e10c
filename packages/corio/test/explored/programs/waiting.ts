import assert from "node:assert/strict";
import {
  asCompleted,
  type Coroutine,
  createTask,
  getRunningLoop,
  type ReturnWhen,
  shield,
  sleep,
  type Task,
  wait,
} from "corio";
import { allEnded } from "./all-ended.js";
import { cancelledFromOutside } from "./outside.js";

function* work<T>(value: T): Coroutine<T> {
  yield* sleep(0);
  yield* sleep(0);
  return value;
}

function startWork(): Task<number>[] {
  return [1, 2, 3].map((value) => createTask(work(value), { name: `work ${value}` }));
}

/**
 * Two tasks that take results as they come, each of which is cancelled from outside. Every result is taken once; nobody waits for
 * another one while there is one.
 */
export function* resultsAsTheyCome(injected: boolean): Coroutine<void> {
  const works = [0, 2, 2].map((ms, i) => createTask(sleep(ms, i + 1), { name: `work ${i + 1}` }));
  const results = asCompleted(works);
  const taken: number[] = [];

  function* take(): Coroutine<void> {
    for (const next of results) taken.push(yield* next);
  }

  const takers = ["taker 1", "taker 2"].map((name) => createTask(take, { name }));
  // then all wait
  getRunningLoop().callLater(1, () => {
    const come = works.filter(({ done }) => done).length;
    if (takers.some(({ done }) => !done)) assert.equal(taken.length, come, "somebody waits although a result has come");
  });
  yield* cancelledFromOutside(takers, injected);
  yield* take();
  assert.equal(taken.length, 3);
  assert.deepEqual(new Set(taken), new Set([1, 2, 3]));
}

/** Tasks that wait for others behind a shield, and are cancelled from outside. What they wait for goes on. */
export function* shielded(injected: boolean): Coroutine<void> {
  const works = startWork();
  let got = 0;

  function* waiter(): Coroutine<void> {
    for (const [i, one] of works.entries()) {
      assert.equal(yield* shield(one), i + 1);
      got++;
    }
  }

  const waiters = ["waiter 1", "waiter 2"].map((name) => createTask(waiter, { name }));
  const requests = yield* cancelledFromOutside(waiters, injected);
  yield* allEnded(works);
  assert.deepEqual(
    works.map((task) => task.result()),
    [1, 2, 3],
  );
  if (requests === 0 && !injected) assert.equal(got, 6);
}

/** Tasks that wait for the first, for the first error, for all, and are cancelled. What they wait for goes on. */
export function* waits(): Coroutine<void> {
  function* fail(): Coroutine<number> {
    yield* sleep(0);
    throw new Error("it fails");
  }

  const fails = createTask(fail, { name: "work that fails" });
  const works = [...startWork(), fails];

  function* waiter(returnWhen: ReturnWhen): Coroutine<void> {
    const { done, pending } = yield* wait(works, { returnWhen });
    assert.equal(done.size + pending.size, works.length);
    for (const task of works) assert.equal(done.has(task), task.done);
    const failed = [...done].some((task) => task.exception() !== undefined);
    if (returnWhen === "FIRST_COMPLETED") assert.ok(done.size > 0);
    else if (returnWhen === "FIRST_EXCEPTION") assert.ok(failed);
    else assert.equal(pending.size, 0);
  }

  const kinds = ["FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"] as const;
  yield* allEnded(kinds.map((returnWhen) => createTask(waiter(returnWhen), { name: `waits for ${returnWhen}` })));
  yield* wait(works);
  assert.ok(works.every((task) => !task.cancelled));
  assert.throws(() => fails.result(), { message: "it fails" });
}
