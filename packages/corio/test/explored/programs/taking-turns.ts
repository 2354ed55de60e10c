import assert from "node:assert/strict";
import { type Coroutine, createTask, currentTask, sleep, type Task, within } from "corio";
import { allEnded } from "./all-ended.js";

/** What a few may have at once, and the others wait for in a line. */
export interface LockLike {
  acquire(): Coroutine<unknown>;
  release(): void;
  enter(): Coroutine<void>;
  exit(error?: unknown): Coroutine<void>;
  readonly locked: boolean;
  readonly waiting: number;
}

/**
 * Four tasks that take turns, twice each. No more than `permits` have it at once; whoever gets it does not overtake anybody who
 * stood in line before, unless that one is being cancelled; in the end it is as it was.
 */
export function takingTurns(make: () => LockLike, permits: number): () => Coroutine<void> {
  return function* () {
    const lock = make();
    const line: Task<unknown>[] = [];
    let inside = 0;

    function leaveLine(task: Task<unknown>): void {
      const place = line.indexOf(task);
      if (place >= 0) line.splice(place, 1);
    }

    function* use(): Coroutine<void> {
      const task = currentTask();
      const before = line.slice(0, line.indexOf(task)).filter(({ cancelling }) => cancelling === 0);
      assert.ok(inside + before.length < permits, `${inside} have it, and ${before.length} were here before`);
      leaveLine(task);
      assert.equal(lock.waiting, line.length);
      inside++;
      try {
        yield* sleep(0);
      } finally {
        inside--;
      }
    }

    function* acquireAndRelease(): Coroutine<void> {
      yield* lock.acquire();
      try {
        yield* use();
      } finally {
        lock.release();
      }
    }

    function* worker(): Coroutine<void> {
      for (const way of [acquireAndRelease, () => within(lock, use)]) {
        line.push(currentTask());
        try {
          yield* way();
        } finally {
          leaveLine(currentTask());
        }
      }
    }

    yield* allEnded(["A", "B", "C", "D"].map((name) => createTask(worker, { name })));
    assert.equal(lock.waiting, 0);
    for (let i = 0; i < permits; i++) {
      assert.equal(lock.locked, false);
      yield* lock.acquire();
    }
    assert.equal(lock.locked, true);
  };
}
