import type { EventLoop, Future, ManualHost } from "corio";

// What tests of invariants look at inside. The published types do not have it.

/** How much a loop still holds. */
export function heldBy(loop: EventLoop): { timers: number; callbacks: number; unretrieved: number } {
  const { _timers, _ready, _unretrieved } = loop as unknown as {
    _timers: { size: number };
    _ready: { length: number };
    _unretrieved: { size: number };
  };
  return { timers: _timers.size, callbacks: _ready.length, unretrieved: _unretrieved.size };
}

/** What a loop of `@corio/testing` stands on. */
export function hostOf(loop: EventLoop): ManualHost {
  return (loop as unknown as { _host: ManualHost })._host;
}

/** How many callbacks a future has. */
export function callbacksOf(future: Future<unknown>): number {
  return [(future as unknown as { _callbacks: unknown })._callbacks ?? []].flat().length;
}

/** Reports what nobody retrieved, as the end of a run does. */
export function reportLost(loop: EventLoop): void {
  (loop as unknown as { _reportLost(): void })._reportLost();
}

/** The queue under every primitive. */
export interface WaitQueue {
  readonly size: number;
  readonly busy: boolean;
  readonly _first: Waiter | undefined;
  join(): Waiter;
  leave(waiter: Waiter): void;
  wakeNext(): Waiter | undefined;
  wakeFirst(): void;
  release(): boolean;
}

/** A place in it. */
export interface Waiter extends Future<void> {
  _before: Waiter | undefined;
  _after: Waiter | undefined;
}

/** The wait-queue of a lock, an event, a condition, a semaphore. */
export function waitQueueOf(primitive: object): WaitQueue {
  return (primitive as { _queue: WaitQueue })._queue;
}
