/**
 * Ways to break the core. Each is a mistake that one makes: the code still does what it is to do while tasks run in the order in which
 * they were made and nobody is cancelled, and fails in another order, or where a cancellation comes at the wrong moment.
 *
 * `text` stands in `file` (of packages/corio/src) exactly once, and is replaced by `by`. `tests` are those of packages/corio/test/explored
 * that explore what is broken.
 */
export const mutations = [
  {
    name: "WaitQueue: when the next in line is cancelled, those behind it are forgotten",
    tests: ["lock", "semaphore", "event", "condition", "queue"],
    file: "sync/wait-queue.ts",
    text: "if (this.#pending === waiter) this.#pending = waiter._after;",
    by: "",
  },
  {
    name: "WaitQueue: only one cancelled waiter in a row is passed over",
    tests: ["lock", "semaphore", "event", "condition", "queue"],
    file: "sync/wait-queue.ts",
    text: "while (waiter?.done) waiter = waiter._after;",
    by: "if (waiter?.done) waiter = waiter._after;",
  },
  {
    name: "Event: a waiter that is cancelled stays in line",
    tests: ["event"],
    file: "sync/event.ts",
    text: `    try {
      yield* waiter;
      return true;
    } finally {
      this._queue.leave(waiter);
    }`,
    by: `    yield* waiter;
    this._queue.leave(waiter);
    return true;`,
  },
  {
    name: "Lock: a wake-up is lost with the waiter that is cancelled when it has it",
    tests: ["lock"],
    file: "sync/lock.ts",
    text: "if (!this.#locked) this._queue.wakeFirst();",
    by: "",
  },
  {
    name: "Lock: a waiter that is cancelled wakes the next, although one is on its way",
    tests: ["lock"],
    file: "sync/lock.ts",
    text: "if (!this.#locked) this._queue.wakeFirst();",
    by: "if (!this.#locked) this._queue.wakeNext();",
  },
  {
    name: "Semaphore: a permit is lost with the waiter that is cancelled when it has it",
    tests: ["semaphore"],
    file: "sync/semaphore.ts",
    text: "if (!taken && waiter.done && !waiter.cancelled) this.#value++;",
    by: "",
  },
  {
    name: "Semaphore: a permit too many when a waiter is cancelled",
    tests: ["semaphore"],
    file: "sync/semaphore.ts",
    text: "if (!taken && waiter.done && !waiter.cancelled) this.#value++;",
    by: "if (!taken && waiter.done) this.#value++;",
  },
  {
    name: "Condition: a notification is lost with the waiter that is cancelled when it has it",
    tests: ["condition"],
    file: "sync/condition.ts",
    text: "if (!waiter.cancelled) this._queue.wakeNext();",
    by: "",
  },
  {
    name: "Condition: a waiter that is cancelled while it takes the lock again goes on without it",
    tests: ["condition"],
    file: "sync/condition.ts",
    text: "if (!isCancelled(error)) throw error;",
    by: "throw error;",
  },
  {
    name: "Condition: a cancellation that comes while the lock is taken again is swallowed",
    tests: ["condition"],
    file: "sync/condition.ts",
    text: "if (cancellation !== undefined) throw cancellation;",
    by: "",
  },
  {
    name: "Barrier: who is cancelled still counts as present",
    tests: ["barrier"],
    file: "sync/barrier.ts",
    text: "this.#positions.delete(position);",
    by: 'if (this.#state !== "filling") this.#positions.delete(position);',
  },
  {
    name: "Queue: a wake-up is lost with the getter or putter that is cancelled when it has it",
    tests: ["queue"],
    file: "queues/queue.ts",
    text: "if (woken && another) queue.release();",
    by: "",
  },
  {
    name: "Queue: an immediate shutdown does not end join()",
    tests: ["queue"],
    file: "queues/queue.ts",
    text: "if (this._unfinished === 0) this.#finished.set();",
    by: "",
  },
  {
    name: "TaskGroup: cancelled while it waits for its members, it does not cancel them",
    tests: ["task-group"],
    file: "scopes/task-group.ts",
    text: `        cancellation = thrown;
        this.#abort();`,
    by: "        cancellation = thrown;",
  },
  {
    name: "TaskGroup: a second cancellation ends the wait for the members",
    tests: ["task-group"],
    file: "scopes/task-group.ts",
    text: "while (this.#tasks.size > 0) {",
    by: "for (let waits = 0; waits < 2 && this.#tasks.size > 0; waits++) {",
  },
  {
    name: "TaskGroup: errors of members swallow a cancellation from outside",
    tests: ["task-group"],
    file: "scopes/task-group.ts",
    text: `      parent.uncancel();
      parent.cancel();`,
    by: "      parent.uncancel();",
  },
  {
    name: "Timeout: in the cleanup of a task that is cancelled, it takes the old request for a new one",
    tests: ["timeout"],
    file: "scopes/timeout.ts",
    text: "const others = task.uncancel() > this.#requests;",
    by: "const others = task.uncancel() > 0;",
  },
  {
    name: "Timeout: it takes the cancellation of somebody else for its own",
    tests: ["timeout"],
    file: "scopes/timeout.ts",
    text: "else if (!others) this.#translate(error);",
    by: "else this.#translate(error);",
  },
  {
    name: "Task: a request that was taken back is thrown all the same",
    tests: ["task-group", "timeout"],
    file: "tasks/task.ts",
    text: "if (this._requests === 0) this._mustCancel = false;",
    by: "",
  },
  {
    name: "gather: one that is cancelled and then fails cancels its coroutines a second time",
    tests: ["gather"],
    file: "waiting/gather.ts",
    text: "if (this.#cancelOnError && !this.#cancelRequested)",
    by: "if (this.#cancelOnError)",
  },
  {
    name: "gather: what is cancelled when all its coroutines have just ended has its results all the same",
    tests: ["gather"],
    file: "waiting/gather.ts",
    text: "if (cancelAll(this.#children, reason)) this.#cancelRequested = true;",
    by: "if (cancelAll(this.#children, reason)) return true;",
  },
  {
    name: "race: a second cancellation ends the wait for the losers",
    tests: ["gather"],
    file: "waiting/race.ts",
    text: "while (runners.some((runner) => !runner.done)) {",
    by: "if (runners.some((runner) => !runner.done)) {",
  },
  {
    name: "asCompleted: a result waits for the next one if who was woken for it is cancelled",
    tests: ["waiting"],
    file: "waiting/as-completed.ts",
    text: "if (woken) this.#waiting.release();",
    by: "",
  },
  {
    name: "asCompleted: who is cancelled leaves one result to nobody",
    tests: ["waiting"],
    file: "waiting/as-completed.ts",
    text: `        this.#left++;
        if (woken)`,
    by: "        if (woken)",
  },
];
