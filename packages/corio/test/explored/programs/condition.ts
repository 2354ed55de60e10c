import assert from "node:assert/strict";
import { Condition, type Coroutine, createTask, currentTask, Lock, sleep, within } from "corio";
import { allEnded } from "./all-ended.js";

/** A lock that must be held by whoever asks, and by nobody else meanwhile. */
class Held {
  readonly lock = new Lock();

  check(): void {
    assert.equal(this.lock.owner, currentTask(), "somebody goes on without the lock");
  }
}

/**
 * Two producers give two items, and notify one of three consumers of each. Whoever comes back from `wait()` has the lock, also
 * after a cancellation; no notification is lost, and none is made up.
 */
export function* notifications(): Coroutine<void> {
  const held = new Held();
  const condition = new Condition(held.lock);
  let items = 0;
  let put = 0;
  let taken = 0;
  let notified = 0;
  let woken = 0;

  function* consumer(): Coroutine<void> {
    yield* condition.acquire();
    try {
      while (items === 0) {
        try {
          yield* condition.wait();
          assert.ok(++woken <= notified, "more went on than were notified");
        } finally {
          held.check();
        }
      }
      items--;
      taken++;
      yield* sleep(0);
      held.check();
    } finally {
      condition.release();
    }
  }

  function give(): void {
    held.check();
    items++;
    put++;
    notified++;
    condition.notify();
  }

  function* producer(): Coroutine<void> {
    yield* within(condition, function* () {
      give();
      yield* sleep(0);
      held.check();
    });
  }

  const tasks = ["consumer 1", "consumer 2", "consumer 3"].map((name) => createTask(consumer, { name }));
  tasks.push(...["producer 1", "producer 2"].map((name) => createTask(producer, { name })));
  while (tasks.some(({ done }) => !done)) {
    yield* sleep(1); // now all others wait
    assert.ok(condition.waiting === 0 || items === 0, `${condition.waiting} wait although there is something for them`);
    if (condition.waiting > 0) yield* within(condition, give);
  }
  yield* allEnded(tasks);
  assert.equal(put, taken + items);
  assert.equal(condition.waiting, 0);
  assert.equal(condition.locked, false);
}

/**
 * A store of one place with two conditions on one lock, notEmpty and notFull: what was put in is taken out once, and nobody waits
 * for what is there.
 */
export function* store(): Coroutine<void> {
  const held = new Held();
  const notEmpty = new Condition(held.lock);
  const notFull = new Condition(held.lock);
  const items: number[] = [];
  const put: number[] = [];
  const taken: number[] = [];

  function* producer(first: number): Coroutine<void> {
    for (const item of [first, first + 1]) {
      yield* within(notFull, function* () {
        try {
          yield* notFull.waitFor(() => items.length === 0);
        } finally {
          held.check();
        }
        items.push(item);
        put.push(item);
        notEmpty.notify();
      });
    }
  }

  function* consumer(): Coroutine<void> {
    for (let round = 0; round < 2; round++) {
      yield* within(notEmpty, function* () {
        try {
          yield* notEmpty.waitFor(() => items.length > 0);
        } finally {
          held.check();
        }
        taken.push(items.pop() as number);
        notFull.notifyAll();
      });
    }
  }

  const tasks = [10, 20].map((first) => createTask(producer(first), { name: `producer of ${first}` }));
  tasks.push(...["consumer 1", "consumer 2"].map((name) => createTask(consumer, { name })));
  while (tasks.some(({ done }) => !done)) {
    yield* sleep(1); // now all others wait
    assert.ok(notEmpty.waiting === 0 || items.length === 0, "somebody waits for an item that is there");
    assert.ok(notFull.waiting === 0 || items.length > 0, "somebody waits for room that is there");
    // whoever is left has lost those on the other side to a cancellation
    const helper = notEmpty.waiting > 0 ? producer(30) : notFull.waiting > 0 ? consumer() : undefined;
    if (helper !== undefined) tasks.push(createTask(helper, { name: "helper" }));
  }
  yield* allEnded(tasks);
  assert.deepEqual(taken.concat(items), put);
  assert.deepEqual([notEmpty.waiting, notFull.waiting, held.lock.locked], [0, 0, false]);
}
