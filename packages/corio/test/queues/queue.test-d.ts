import { type Coroutine, LifoQueue, PriorityQueue, Queue } from "corio";
import { expectTypeOf, test } from "vitest";

test("a queue passes on the type of its items", () => {
  const queue = new Queue<{ id: number }>({ maxSize: 1 });
  expectTypeOf(queue.get()).toEqualTypeOf<Coroutine<{ id: number }>>();
  expectTypeOf(queue.getNowait()).toEqualTypeOf<{ id: number }>();
  expectTypeOf(queue.put({ id: 1 })).toEqualTypeOf<Coroutine<void>>();
  expectTypeOf(queue[Symbol.asyncIterator]()).toEqualTypeOf<AsyncIterableIterator<{ id: number }>>();
  // @ts-expect-error no such item
  queue.putNowait("a");
  // @ts-expect-error an option of that name is wanted
  void new Queue(3);
});

test("so do the others", () => {
  expectTypeOf(new LifoQueue<string>().get()).toEqualTypeOf<Coroutine<string>>();
  const queue = new PriorityQueue<string>({ compare: (a, b) => a.length - b.length });
  expectTypeOf(queue.getNowait()).toEqualTypeOf<string>();
});
