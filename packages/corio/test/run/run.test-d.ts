import { type Coroutine, createTask, EventLoop, type Future, run, Runner, sleep, type Task } from "corio";
import { expectTypeOf, test } from "vitest";

function* giving<T>(value: T): Coroutine<T> {
  yield* sleep(1);
  return value;
}

test("run takes a coroutine, a function that makes it, and other awaitables", () => {
  expectTypeOf(run(giving(1))).toEqualTypeOf<Promise<number>>();
  expectTypeOf(run(() => giving("a"))).toEqualTypeOf<Promise<string>>();
  expectTypeOf(run(Promise.resolve(true))).toEqualTypeOf<Promise<boolean>>();
  expectTypeOf(run(function* () {})).toEqualTypeOf<Promise<void>>();
  // @ts-expect-error it returns no coroutine
  void run(() => 1);
});

test("run flattens futures, tasks and promises in the result", () => {
  expectTypeOf(run(() => giving(createTask(giving(1))))).toEqualTypeOf<Promise<number>>();
  expectTypeOf(run(() => giving(Promise.resolve("a")))).toEqualTypeOf<Promise<string>>();
  expectTypeOf(run(() => giving(createTask(giving(Promise.resolve(1)))))).toEqualTypeOf<Promise<number>>();
});

test("so do a runner and a loop", () => {
  expectTypeOf(new Runner().run(() => giving(createTask(giving(1))))).toEqualTypeOf<Promise<number>>();
  const loop = new EventLoop();
  expectTypeOf(loop.runUntilComplete(giving(Promise.resolve(1)))).toEqualTypeOf<Promise<number>>();
  expectTypeOf(loop.start(giving(Promise.resolve(1)))).toEqualTypeOf<Future<number>>();
  expectTypeOf(loop.createTask(giving(1))).toEqualTypeOf<Task<number>>();
  expectTypeOf(loop.createFuture<string>()).toEqualTypeOf<Future<string>>();
});

test("createTask does not flatten: a task of a task is one", () => {
  expectTypeOf(createTask(giving(createTask(giving(1))))).toEqualTypeOf<Task<Task<number>>>();
});
