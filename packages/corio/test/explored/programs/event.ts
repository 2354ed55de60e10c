import assert from "node:assert/strict";
import { type Coroutine, createTask, Event, sleep } from "corio";
import { allEnded } from "./all-ended.js";

/**
 * Three tasks that wait for an event, twice each, while two others set it and clear it at once. Whoever waited when it was set
 * goes on, and nobody else does; in the end nobody waits.
 */
export function* pulses(): Coroutine<void> {
  const event = new Event();
  const waiting = new Set<{ woken: boolean; over: boolean }>();
  const woken: { over: boolean }[] = [];

  function pulse(): void {
    for (const place of waiting) {
      place.woken = true;
      woken.push(place);
    }
    event.set();
    assert.equal(event.isSet, true);
    event.clear();
  }

  function* waiter(): Coroutine<void> {
    for (let round = 0; round < 2; round++) {
      const place = { woken: false, over: false };
      waiting.add(place);
      try {
        assert.equal(yield* event.wait(), true);
        assert.equal(place.woken, true, "went on although the event was not set");
      } finally {
        place.over = true;
        waiting.delete(place);
      }
    }
  }

  function* setter(): Coroutine<void> {
    for (let round = 0; round < 2; round++) {
      yield* sleep(0);
      pulse();
    }
  }

  const tasks = ["A", "B", "C"].map((name) => createTask(waiter, { name }));
  tasks.push(...["setter 1", "setter 2"].map((name) => createTask(setter, { name })));
  while (tasks.some(({ done }) => !done)) {
    yield* sleep(1); // now all others wait
    assert.ok(
      woken.every(({ over }) => over),
      "somebody still waits who waited when the event was set",
    );
    assert.equal(event.waiting, waiting.size);
    pulse();
  }
  yield* allEnded(tasks);
  assert.equal(event.waiting, 0);
  assert.equal(event.isSet, false);
}

/** Tasks that wait for an event that stays set, and one that sets it: whoever goes on finds it done, and all go on. */
export function* onceForAll(): Coroutine<void> {
  const event = new Event();
  let happened = false;

  function* waiter(): Coroutine<void> {
    yield* event.wait();
    assert.ok(happened && event.isSet);
    yield* event.wait(); // comes later, and does not wait
  }

  function* setter(): Coroutine<void> {
    try {
      yield* sleep(0);
    } finally {
      happened = true;
      event.set();
    }
  }

  const waiters = ["A", "B", "C"].map((name) => createTask(waiter, { name }));
  const setting = createTask(setter, { name: "setter" });
  yield* allEnded([setting]);
  happened = true;
  event.set(); // of a setter that never started
  yield* allEnded(waiters);
  assert.equal(event.waiting, 0);
}
