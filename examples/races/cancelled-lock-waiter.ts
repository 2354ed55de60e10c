/**
 * A lock is released by a waiter that was cancelled: `acquire` stands inside of the `try`, so a task that is cancelled while it
 * waits for the lock releases it all the same, and with it the lock of whoever has it. The remedy is `within(lock, …)`, or
 * `acquire` before the `try`.
 */
import type { ExploreOptions } from "@corio/testing";
import { type Coroutine, Lock, sleep, TaskGroup, within } from "corio";

class BuggyPrinter {
  readonly lock = new Lock();
  #page: string | undefined;

  *print(page: string): Coroutine<void> {
    try {
      yield* this.lock.acquire();
      yield* this.feed(page);
    } finally {
      this.lock.release();
    }
  }

  *feed(page: string) {
    if (this.#page !== undefined) throw new Error(`page ${page} is printed on top of page ${this.#page}`);
    this.#page = page;
    try {
      yield* sleep(5);
    } finally {
      this.#page = undefined;
    }
  }
}

class FixedPrinter extends BuggyPrinter {
  override *print(page: string) {
    yield* this.lock.acquire();
    try {
      yield* this.feed(page);
    } finally {
      this.lock.release();
    }
  }
}

function* usePrinter(printer: BuggyPrinter) {
  yield* within(new TaskGroup(), function* (group) {
    for (const page of ["A", "B", "C"]) group.createTask(printer.print(page), { name: `print ${page}` });
  });
}

// no order of the tasks brings it about
export const options: ExploreOptions = { cancel: true };
export const buggy = () => usePrinter(new BuggyPrinter());
export const fixed = () => usePrinter(new FixedPrinter());
