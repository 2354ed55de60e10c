import { runVirtually, VirtualLoop } from "@corio/testing";
import { type Coroutine, createTask, type EventLoop, type Future, sleep, type Task } from "corio";
import { expectTypeOf, test } from "vitest";

function* answer(): Coroutine<string> {
  yield* sleep(1);
  return "answer";
}

test("a synchronous run gives the result itself, an asynchronous one a promise", () => {
  const virtual = new VirtualLoop();
  expectTypeOf(runVirtually(answer)).toEqualTypeOf<string>();
  expectTypeOf(virtual.runUntilComplete(answer())).toEqualTypeOf<string>();
  expectTypeOf(virtual.run(answer)).toEqualTypeOf<Promise<string>>();
  expectTypeOf(virtual.start(answer)).toEqualTypeOf<Future<string>>();
  expectTypeOf(virtual.loop).toEqualTypeOf<EventLoop>();
});

test("a task that is returned is awaited", () => {
  function* main(): Coroutine<Task<string>> {
    return createTask(answer());
  }
  expectTypeOf(runVirtually(main)).toEqualTypeOf<string>();
});
