/**
 * The loop from scratch, beside the real one: what a task does is step its coroutine, and have itself woken for the next
 * step. The real one adds what 30 lines leave out: errors, cancellation, fairness, and a thread that is free while it waits.
 */
import { createTask, run, sleep } from "corio";
import { block } from "./blocking/block.js";

// A coroutine yields what it waits for: a function that is told how to wake it.
type TinyCoroutine<T> = Generator<(wake: () => void) => void, T, void>;

class TinyTask<T> {
  done = false;
  result!: T;
  #waiting: (() => void)[] = [];

  constructor(readonly coroutine: TinyCoroutine<T>) {
    callLater(0, () => this.#step());
  }

  #step() {
    const { done, value } = this.coroutine.next();
    if (!done) return value(() => this.#step());
    this.done = true;
    this.result = value;
    for (const wake of this.#waiting) callLater(0, wake);
  }

  *[Symbol.iterator](): TinyCoroutine<T> {
    if (!this.done) yield (wake) => this.#waiting.push(wake);
    return this.result;
  }
}

const timers: { when: number; callback: () => void }[] = [];

function callLater(ms: number, callback: () => void) {
  timers.push({ when: performance.now() + ms, callback });
  timers.sort((a, b) => a.when - b.when);
}

function tinyRun<T>(main: TinyCoroutine<T>) {
  const task = new TinyTask(main);
  for (let timer = timers.shift(); timer !== undefined; timer = timers.shift()) {
    block(timer.when - performance.now());
    timer.callback();
  }
  return task.result;
}

function* tinySleep(ms: number): TinyCoroutine<void> {
  yield (wake) => callLater(ms, wake);
}

// A program for the one from scratch …

function* tinyWork(name: string, seconds: number): TinyCoroutine<string> {
  console.log(`${name} starts`);
  yield* tinySleep(seconds * 1_000);
  console.log(`${name} ends`);
  return `${name} took ${seconds} s`;
}

function* tinyMain(): TinyCoroutine<void> {
  const a = new TinyTask(tinyWork("A", 2));
  const b = new TinyTask(tinyWork("B", 1));
  console.log(yield* a);
  console.log(yield* b);
}

// … and the same for the real one.

function* work(name: string, seconds: number) {
  console.log(`${name} starts`);
  yield* sleep(seconds * 1_000);
  console.log(`${name} ends`);
  return `${name} took ${seconds} s`;
}

function* realMain() {
  const a = createTask(work("A", 2));
  const b = createTask(work("B", 1));
  console.log(yield* a);
  console.log(yield* b);
}

console.log("from scratch:");
tinyRun(tinyMain());
console.log("for real:");
await run(realMain);
