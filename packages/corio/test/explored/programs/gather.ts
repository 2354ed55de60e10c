import assert from "node:assert/strict";
import { type Coroutine, createTask, gather, isCancelled, sleep } from "corio";
import { allEnded } from "./all-ended.js";
import { Children, parent } from "./children.js";

/**
 * A gather of which one fails, and another one when it is cancelled for that, while a third one cleans up. It ends when all have
 * that it started, and leaves alone what the caller made.
 */
export function* oneFails(injected: boolean): Coroutine<void> {
  const children = new Children(injected);
  const callers = createTask(sleep(1), { name: "the caller's" });
  let failed = false;
  yield* parent(children, injected, function* () {
    try {
      yield* gather(children.works(1), children.fails(), children.failsWhenCancelled(), callers);
    } catch (error) {
      failed = !isCancelled(error);
      throw error;
    }
    assert.fail("one of them failed, and gather did not");
  });
  if (failed && !injected) assert.equal(callers.cancelling, 0);
  yield* allEnded([callers]);
}

/** A gather that gives the errors as results, in their places. */
export function* errorsAreResults(injected: boolean): Coroutine<void> {
  const children = new Children(injected);
  yield* parent(children, injected, function* () {
    const results = yield* gather([children.works(1), children.fails(), children.works(3)], { returnExceptions: true });
    assert.equal(results.length, 3);
    for (const [i, result] of results.entries()) {
      if (result === i + 1) continue;
      assert.ok(result instanceof Error && (i === 1 || injected));
      if (!isCancelled(result)) children.tell(result);
    }
  });
}
