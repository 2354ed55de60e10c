import { EventLoop, type Future, run, sleep, until } from "corio";
import { expect, test } from "vitest";

test("a promise that settles after its loop was closed disturbs nobody", async () => {
  let resolve: (value: string) => void = () => {};
  const promise = new Promise<string>((settle) => {
    resolve = settle;
  });
  const futures: Future<string>[] = [];
  await run(function* () {
    futures.push(until(promise), until(promise));
    futures[0]?.addDoneCallback(() => {
      throw new Error("a callback of a closed loop was called");
    });
    yield* sleep(0);
  });
  resolve("late");
  // an error in the reaction would be an unhandled rejection, which fails the test run
  await new Promise((settle) => void setImmediate(settle));
  expect(futures.map((future) => future.done && future.result())).toEqual(["late", "late"]);
});

test("one that settles in time still calls back", async () => {
  const loop = new EventLoop();
  const called: string[] = [];
  await loop.runUntilComplete(
    (function* () {
      const future = until(Promise.resolve("in time"));
      future.addDoneCallback((done) => called.push(done.result()));
      yield* future;
      yield* sleep(0);
    })(),
  );
  loop.close();
  expect(called).toEqual(["in time"]);
});
