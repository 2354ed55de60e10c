import assert from "node:assert/strict";
import { type Coroutine, race } from "corio";
import { Children, parent } from "./children.js";

/** A race of which one fails, and another one when it is cancelled. It ends when all have; what the losers throw is reported. */
export function* losersEnd(injected: boolean): Coroutine<void> {
  const children = new Children(injected);
  yield* parent(children, injected, function* () {
    assert.equal(yield* race(children.works(1), children.fails(), children.failsWhenCancelled()), 1);
  });
}
