import { typeError } from "../errors/corio-error.js";
import { within } from "../scopes/within.js";
import { type Coroutine, isCoroutine } from "../tasks/coroutine.js";
import type { Cursor, Source } from "./cursor.js";
import { iterate } from "./iterate.js";

/** What `stop` makes: returned from the body, it ends the iteration with a result. */
export class Stop<R> {
  /** @internal */
  readonly result: R;

  /** @internal */
  constructor(result: R) {
    this.result = result;
  }
}

/**
 * Runs a body for each item that a source gives, one after another. To run several at once, see `map`.
 *
 * @param source as for `iterate`
 * @param body gets the item, and `stop`: `return stop(result)` ends the iteration early; a `function*` or a plain function
 * @returns a coroutine of what was given to `stop`, or of `undefined` when the source ended
 *
 * *If cancelled*, the body gets the cancellation and the source is closed.
 * @example
 * const first = yield* forEach(lines, function* (line, stop) {
 *   return (yield* matches(line)) ? stop(line) : undefined;
 * });
 */
export function forEach<T, R = undefined>(source: Source<T>, body: Body<T, R>): Coroutine<R | undefined> {
  if (typeof body !== "function") throw typeError("FOR_EACH", body);
  return within(iterate(source), (it) => visit(it, body));
}

type Body<T, R> = (item: T, stop: <S>(result?: S) => Stop<S>) => Coroutine<Stop<R> | void> | Stop<R> | void;

function* visit<T, R>(it: Cursor<T>, body: Body<T, R>): Coroutine<R | undefined> {
  while (yield* it.next()) {
    const made = body(it.value, stop);
    const answer = isCoroutine(made) ? yield* made : made;
    if (answer instanceof Stop) return answer.result;
  }
  return undefined;
}

function stop<S>(result?: S): Stop<S> {
  return new Stop(result as S);
}
