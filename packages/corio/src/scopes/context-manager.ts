import { misuse, typeError } from "../errors/corio-error.js";
import { keepAsCause } from "../errors/keep-as-cause.js";
import { type Coroutine, isCoroutineFunction, type Resumable, type Suspension } from "../tasks/coroutine.js";
import { isSuspension } from "../tasks/suspension.js";
import type { Manager } from "./manager.js";

/**
 * What a generator emits, as opposed to what it waits for. Whoever waits yields an `undefined`, too, so that an `undefined`
 * among what is emitted does not show in the type.
 */
export type Emitted<Y> = [Exclude<Y, Suspension>] extends [never] ? void : Exclude<Y, Suspension>;

/**
 * Makes a context manager of a coroutine function that yields once: what is before the `yield` enters, the yielded value is
 * what the block gets, and what is after it leaves. An error of the block is thrown at the `yield`.
 *
 * @param fn `yield value` once; `yield*` waits, as everywhere
 * @returns a function that makes the manager; each is used once
 * @throws (in use) a `CorioError` if it yields not once
 * @example
 * const connection = contextManager(function* (url: string) {
 *   const socket = yield* connect(url);
 *   try {
 *     yield socket;
 *   } finally {
 *     yield* socket.close();
 *   }
 * });
 * yield* within(connection("db"), function* (socket) { … });
 * @see https://docs.python.org/3/library/contextlib.html#contextlib.asynccontextmanager
 */
export function contextManager<Args extends unknown[], Y>(
  fn: (...args: Args) => Generator<Y, unknown, void>,
): (...args: Args) => ContextManager<Emitted<Y>> {
  if (!isCoroutineFunction(fn)) {
    throw typeError("CONTEXT_MANAGER", fn);
  }
  return (...args) => new GeneratorManager<Emitted<Y>>(fn(...args), fn.name);
}

/** What a function made by {@link contextManager} makes. */
export interface ContextManager<T> extends Manager<T> {
  enter(): Coroutine<T>;
  exit(error?: unknown): Coroutine<boolean>;
}

class GeneratorManager<T> implements ContextManager<T> {
  readonly #generator: Resumable;
  readonly #name: string;
  #entered = false;

  constructor(generator: Resumable, name: string) {
    this.#generator = generator;
    this.#name = name || "the context manager";
  }

  *enter(): Coroutine<T> {
    if (this.#entered) throw misuse("ENTERED_TWICE", this.#name);
    this.#entered = true;
    const answer = yield* upToEmission(this.#generator, this.#generator.next());
    if (answer.done) throw misuse("YIELDED_NOTHING", this.#name);
    return answer.value as T;
  }

  *exit(error?: unknown): Coroutine<boolean> {
    let answer: IteratorResult<unknown, unknown>;
    try {
      const first = error === undefined ? this.#generator.next() : this.#generator.throw(error);
      answer = yield* upToEmission(this.#generator, first);
    } catch (thrown) {
      if (thrown === error && error !== undefined) return false;
      throw thrown;
    }
    if (answer.done) return error !== undefined;
    // thrown where it yielded, so that its cleanup runs to the end
    const twice = misuse("YIELDED_TWICE", this.#name);
    try {
      yield* upToEmission(this.#generator, this.#generator.throw(twice));
    } catch (thrown) {
      if (thrown !== twice) keepAsCause(twice, thrown);
    }
    throw twice;
  }
}

/**
 * @internal Drives a generator that both waits and emits, up to its next emission or its end; what it waits for goes up to
 * the task.
 */
export function* upToEmission(
  generator: Resumable,
  first: IteratorResult<unknown, unknown>,
): Coroutine<IteratorResult<unknown, unknown>> {
  let answer = first;
  while (answer.done !== true && isSuspension(answer.value)) {
    let sent: unknown;
    try {
      sent = yield answer.value;
    } catch (error) {
      answer = generator.throw(error);
      continue;
    }
    answer = generator.next(sent);
  }
  return answer;
}
