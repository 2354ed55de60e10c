import assert from "node:assert/strict";
import { type Coroutine, map } from "corio";
import { Children, parent } from "./children.js";

/** A map with two at once. The results are in order. */
export function* twoAtOnce(injected: boolean): Coroutine<void> {
  const children = new Children(injected);
  yield* parent(children, injected, function* () {
    const results = yield* map([1, 2, 3, 4], (item) => children.works(item), { concurrency: 2 });
    assert.deepEqual(results, [1, 2, 3, 4]);
  });
  assert.ok(children.mostAtOnce <= 2, `${children.mostAtOnce} at once`);
}

/** A map of which one fails, and another one when it is cancelled for that. It ends when all have, and what is left is not begun. */
export function* oneFails(injected: boolean): Coroutine<void> {
  const children = new Children(injected);
  const works = [
    () => children.failsWhenCancelled(),
    () => children.fails(),
    () => assert.fail("no further one is wanted"),
  ];
  yield* parent(children, injected, function* () {
    yield* map(works, (work) => work(), { concurrency: 2 });
    assert.fail("one of them failed, and map did not");
  });
  assert.ok(children.mostAtOnce <= 2, `${children.mostAtOnce} at once`);
}
