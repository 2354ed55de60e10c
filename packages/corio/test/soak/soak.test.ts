import {
  allTasks,
  type Coroutine,
  createTask,
  Event,
  EventLoop,
  gather,
  isCancelled,
  Lock,
  ManualHost,
  Queue,
  Semaphore,
  sleep,
  type Task,
  TaskGroup,
  TimeoutError,
  timeout,
  waitFor,
  within,
} from "corio";
import { afterAll, beforeAll, expect, test } from "vitest";
import { heldBy, reportLost } from "../support/internals.js";
import { randomFrom } from "../support/random.js";

// One million tasks on virtual time: created, cancelled, failed and timed out at random, a thousand at a time. What they
// leave behind would show: as a task, a timer, a waiter, a record of an error, or as memory.

const TASKS = 1_000_000;
const BATCH = 1_000;
// Compiled code, inline caches and what the test runner itself keeps. A single object left per task would be 20 times as much.
const SLACK = 4 * 1024 * 1024;

// Half a million errors: what their stacks cost (the test runner maps each to the sources) is not what this is about.
const { stackTraceLimit } = Error;
beforeAll(() => void (Error.stackTraceLimit = 0));
afterAll(() => void (Error.stackTraceLimit = stackTraceLimit));

test("a million tasks leave nothing behind", { timeout: 120_000 }, () => {
  const soak = new Soak(20_201);
  // the first batches compile the code and grow the arrays
  soak.run(20 * BATCH);
  const before = heapUsed();
  soak.run(TASKS);
  const after = heapUsed();
  expect(soak.made).toBeGreaterThanOrEqual(TASKS);
  expect(soak.counts).toEqual({
    ended: expect.any(Number),
    cancelled: expect.any(Number),
    failed: expect.any(Number),
    timedOut: expect.any(Number),
  });
  for (const count of Object.values(soak.counts)) expect(count).toBeGreaterThan(TASKS / 100);
  expect(soak.reported).toBe(soak.unseen);
  expect(soak.left()).toEqual({
    tasks: 0,
    timers: 0,
    callbacks: 0,
    unretrieved: 0,
    waiters: 0,
    permits: 3,
    items: 0,
    turns: 0,
  });
  expect(after - before).toBeLessThan(SLACK);
  soak.close();
});

class Soak {
  readonly #host = new ManualHost();
  readonly #loop = new EventLoop({ host: this.#host });
  readonly #random: (limit: number) => number;
  readonly #lock = new Lock();
  readonly #permits = new Semaphore(3);
  readonly #queue = new Queue<number>({ maxSize: 5 });
  readonly #event = new Event();
  // the names of the tasks of the current batch that have failed
  readonly #failed = new Set<string>();
  readonly counts = { ended: 0, cancelled: 0, failed: 0, timedOut: 0 };
  made = 0;
  /** Errors that the program leaves to be reported, and those that were. */
  unseen = 0;
  reported = 0;

  constructor(seed: number) {
    this.#random = randomFrom(seed);
    // a gather that fails when its waiter has just been cancelled is reported too, as a future
    this.#loop.exceptionHandler = (_, { taskName }) => {
      if (taskName !== undefined) this.reported++;
    };
  }

  run(tasks: number): void {
    const until = this.made + tasks;
    while (this.made < until) {
      const done = this.#loop.start(this.#batch());
      while (!done.done && this.#host.step());
      done.result();
      // a run's end reports what nobody retrieved; this loop goes on to the next one
      reportLost(this.#loop);
    }
  }

  left(): object {
    return {
      tasks: allTasks(this.#loop).size,
      ...heldBy(this.#loop),
      waiters:
        this.#lock.waiting + this.#permits.waiting + this.#queue.getters + this.#queue.putters + this.#event.waiting,
      permits: this.#permits.value,
      items: this.#queue.size,
      turns: this.#host.turns + (this.#host.nextAlarm === undefined ? 0 : 1),
    };
  }

  close(): void {
    this.#loop.close();
  }

  *#batch(): Coroutine<void> {
    const tasks: Task<unknown>[] = [];
    for (let i = 0; i < BATCH; i++) {
      const name = String(this.made);
      tasks.push(createTask(this.#noted(name, this.#job()), { name }));
      this.made++;
      if (this.#random(4) === 0) tasks[this.#random(tasks.length)]?.cancel();
      if (this.#random(50) === 0) yield* sleep(this.#random(3));
    }
    this.#event.set();
    yield* sleep(50);
    this.#event.clear();
    for (const task of tasks) task.cancel();
    for (const task of tasks) yield* this.#end(task);
    while (!this.#queue.empty) this.#queue.getNowait();
    this.#failed.clear();
  }

  *#noted(name: string, job: Coroutine<unknown>): Coroutine<unknown> {
    try {
      return yield* job;
    } catch (error) {
      if (!isCancelled(error)) this.#failed.add(name);
      throw error;
    }
  }

  *#end(task: Task<unknown>): Coroutine<void> {
    while (!task.done) yield* sleep(1);
    if (task.cancelled) this.counts.cancelled++;
    else if (this.#random(3) === 0) {
      // an error is left alone, to be reported
      if (this.#failed.has(task.name)) this.unseen++;
    } else if (task.exception() === undefined) this.counts.ended++;
    else if (task.exception() instanceof TimeoutError) this.counts.timedOut++;
    else this.counts.failed++;
  }

  #job(): Coroutine<unknown> {
    const ms = this.#random(40);
    switch (this.#random(12)) {
      case 0:
        return sleep(ms);
      case 1:
        return this.#fail(ms);
      case 2:
        return waitFor(sleep(ms), this.#random(30));
      case 3:
        return within(timeout(ms), () => this.#event.wait());
      case 4:
        return within(this.#lock, () => sleep(1));
      case 5:
        return within(this.#permits, () => this.#fail(1));
      case 6:
        return this.#queue.get();
      case 7:
        return this.#queue.put(1);
      case 8:
        return this.#group(ms);
      case 9:
        return this.#gathering(ms);
      case 10:
        return this.#swallow(ms);
      default:
        return within(timeout(ms), this.#permits, () => sleep(2));
    }
  }

  *#fail(ms: number): Coroutine<void> {
    yield* sleep(ms);
    throw new Error("one of many");
  }

  *#group(ms: number): Coroutine<void> {
    yield* within(new TaskGroup(), (group) => {
      this.made += 2;
      group.createTask(sleep(ms));
      group.createTask(ms % 3 === 0 ? this.#fail(1) : sleep(1));
    });
  }

  *#gathering(ms: number): Coroutine<void> {
    this.made += 2;
    yield* gather(ms % 3 === 0 ? this.#fail(1) : sleep(1), sleep(ms));
  }

  *#swallow(ms: number): Coroutine<void> {
    try {
      yield* sleep(ms);
    } catch (error) {
      if (!isCancelled(error)) throw error;
      yield* sleep(1);
    }
  }
}

function heapUsed(): number {
  const collect = (globalThis as { gc?: () => void }).gc;
  if (collect === undefined) throw new Error("this test needs node --expose-gc");
  for (let i = 0; i < 4; i++) collect();
  return process.memoryUsage().heapUsed;
}
