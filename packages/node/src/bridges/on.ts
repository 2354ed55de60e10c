import type { EventEmitter } from "node:events";
import {
  type ClosableCursor,
  type Coroutine,
  type CursorSource,
  type EventLoop,
  getRunningLoop,
  makeCursor,
  Queue,
  QueueShutDown,
} from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import {
  type ArgumentsOf,
  checkEventSource,
  type EventSource,
  isEmitter,
  listen,
  listenToErrors,
} from "./event-source.js";

/** Options of {@link on}. */
export interface OnOptions {
  /** The events after which the iteration ends, when those before them have been taken; default none. */
  close?: readonly (string | symbol)[] | undefined;
  /**
   * The emitter is paused when more events than this are buffered, for emitters that have `pause()` and `resume()`; default
   * without limit.
   */
  highWaterMark?: number | undefined;
  /** An emitter that was paused is resumed when fewer events than this are buffered; default 1. */
  lowWaterMark?: number | undefined;
}

/**
 * The events of an emitter or an event target, to iterate: by `forEach` and `iterate`, and by `for await`. It listens from this
 * call on; what comes while nobody asks is buffered.
 *
 * What an `EventEmitter` emits as "error" ends the iteration: it is thrown when the events before it have been taken. The
 * listeners are removed at the end, when the iteration is left, by `close()`, and when the loop is closed.
 *
 * @param emitter an `EventEmitter` or an `EventTarget`
 * @param name the event
 * @param options `close`, `highWaterMark`, `lowWaterMark`: see {@link OnOptions}
 * @returns an iterable of the arrays of the events' arguments; of an event target, that is the event itself. Their types are
 * those of an `EventEmitter<Map>`, or what you say: `on<[Socket]>(server, "connection")`
 * @throws at once a NoRunningLoopError where no loop is running (`on` of `node:events` serves there), and a `TypeError` for a
 * water mark that the emitter cannot heed
 *
 * *If cancelled*, where it is iterated, the listeners are removed; a single `next()` of a cursor loses no event.
 * @example
 * const input = on<[Buffer]>(process.stdin, "data", { close: ["end"], highWaterMark: 100 });
 * yield* forEach(input, function* ([data]) {
 *   yield* handle(data.toString());
 * });
 * @see https://nodejs.org/api/events.html#eventsonemitter-eventname-options
 */
export function on<M extends Record<keyof M, unknown[]>, K extends keyof M>(
  emitter: EventEmitter<M>,
  name: K,
  options?: OnOptions,
): Events<ArgumentsOf<M, K>>;
export function on<Args extends unknown[] = unknown[]>(
  emitter: NodeJS.EventEmitter,
  name: string | symbol,
  options?: OnOptions,
): Events<Args>;
export function on<E extends Event = Event>(target: EventTarget, name: string, options?: OnOptions): Events<[event: E]>;
export function on(emitter: EventSource, name: string | symbol, options: OnOptions = {}): Events<unknown[]> {
  checkEventSource(emitter, "on(emitter, name)");
  return new Events(emitter, name, options);
}

/** What {@link on} makes: the events that have come and have not been taken yet, as an iterable. */
export class Events<Args extends unknown[]> implements CursorSource<Args>, AsyncIterable<Args>, Disposable {
  readonly #loop: EventLoop;
  readonly #buffer = new Queue<Args>();
  readonly #stops: (() => void)[] = [];
  readonly #pausable: Pausable | undefined;
  readonly #lowWaterMark: number;
  #paused = false;
  // it does not listen any more
  #ended = false;
  // the error that ends the iteration, until it is told
  #failure: { readonly error: unknown } | undefined;

  /** @internal */
  constructor(emitter: EventSource, name: string | symbol, options: OnOptions) {
    const { close = [], highWaterMark, lowWaterMark = 1 } = options;
    checkWaterMark(lowWaterMark, "lowWaterMark");
    if (highWaterMark !== undefined) {
      checkWaterMark(highWaterMark, "highWaterMark");
      this.#pausable = pausable(emitter);
    }
    this.#loop = getRunningLoop();
    this.#lowWaterMark = lowWaterMark;
    const limit = highWaterMark ?? Number.POSITIVE_INFINITY;
    this.#stops.push(
      this.#loop.onClose(() => this.close()),
      listen(emitter, name, (...args) => {
        // another listener of the same event may have ended it
        if (this.#ended) return;
        this.#buffer.putNowait(args as Args);
        if (this.#buffer.size <= limit || this.#paused) return;
        this.#paused = true;
        this.#pausable?.pause();
      }),
      ...close.map((end) => listen(emitter, end, () => this.#end())),
    );
    if (name !== "error") {
      this.#stops.push(
        listenToErrors(emitter, (error) => {
          if (this.#ended) return;
          this.#failure = { error };
          this.#end();
        }),
      );
    }
  }

  /** How many events are buffered. */
  get size(): number {
    return this.#buffer.size;
  }

  /**
   * Removes the listeners and drops what is buffered; who waits for an event is told that there is none. An error that nobody
   * has been told of is reported to the loop's exception handler. An emitter that was paused stays so, with what it holds.
   */
  close(): void {
    this.#stop();
    this.#buffer.shutdown(true);
    const failure = this.#takeFailure();
    if (failure === undefined) return;
    this.#loop.callExceptionHandler({
      message: "An emitter failed, and its events were left before they came to that",
      exception: failure.error,
    });
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** For `iterate` and `forEach`. */
  [makeCursor](): ClosableCursor<Args> {
    return new EventCursor(this);
  }

  /** For `for await` in plain async code: each step is a task of the loop in which `on` was called. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Args> {
    const loop = this.#loop;
    const step = (): Coroutine<IteratorResult<Args, undefined>> => this._next();
    const ended = { done: true, value: undefined } as const;
    return {
      next: async () => (loop.closed ? ended : await loop.createTask(step)),
      return: async () => {
        this.close();
        return ended;
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** @internal The next event, or the end. */
  *_next(): Coroutine<IteratorResult<Args, undefined>> {
    try {
      const value = yield* this.#buffer.get();
      this.#resume();
      return { done: false, value };
    } catch (error) {
      if (!(error instanceof QueueShutDown)) throw error;
      const failure = this.#takeFailure();
      if (failure !== undefined) throw failure.error;
      return { done: true, value: undefined };
    }
  }

  #takeFailure(): { readonly error: unknown } | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  #resume(): void {
    if (!this.#paused || this.#buffer.size >= this.#lowWaterMark) return;
    this.#paused = false;
    this.#pausable?.resume();
  }

  // what is buffered can still be taken
  #end(): void {
    this.#stop();
    this.#buffer.shutdown();
  }

  #stop(): void {
    this.#ended = true;
    for (const stop of this.#stops.splice(0)) stop();
  }
}

class EventCursor<Args extends unknown[]> implements ClosableCursor<Args> {
  value = undefined as unknown as Args;
  readonly #events: Events<Args>;

  constructor(events: Events<Args>) {
    this.#events = events;
  }

  *next(): Coroutine<boolean> {
    const answer = yield* this.#events._next();
    if (answer.done === true) return false;
    this.value = answer.value;
    return true;
  }

  *close(): Coroutine<void> {
    this.#events.close();
  }
}

interface Pausable {
  pause(): void;
  resume(): void;
}

function pausable(emitter: EventSource): Pausable {
  const { pause, resume } = emitter as Partial<Pausable>;
  if (isEmitter(emitter) && typeof pause === "function" && typeof resume === "function") {
    return emitter as unknown as Pausable;
  }
  throw invalidArgument(
    "WATER_MARK",
    "on(emitter, name, { highWaterMark }) takes an emitter with pause() and resume(): leave the option out, and what is not taken is buffered without limit",
  );
}

function checkWaterMark(value: unknown, name: string): void {
  if (Number.isInteger(value) && (value as number) >= 1) return;
  throw invalidArgument("WATER_MARK", `${name} is an integer of 1 or more, not ${String(value)}`);
}
