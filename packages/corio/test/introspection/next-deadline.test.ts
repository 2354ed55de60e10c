import { createTask, EventLoop, getRunningLoop, ManualHost, nextDeadline, sleep } from "corio";
import { expect, test } from "vitest";
import { runVirtually } from "../support/virtual-loop.js";

test("the next deadline is that of the first timer or sleep that was not called off", () => {
  runVirtually(function* () {
    const loop = getRunningLoop();
    expect(nextDeadline()).toBeUndefined();
    const later = loop.callLater(30, () => {});
    const sooner = loop.callLater(10, () => {});
    const sleeper = createTask(sleep(20));
    yield* sleep(0);
    expect(nextDeadline()).toBe(10);
    sooner.cancel();
    expect(nextDeadline()).toBe(20);
    sleeper.cancel();
    expect(nextDeadline(loop)).toBe(30);
    later.cancel();
    expect(nextDeadline()).toBeUndefined();
  });
});

test("a timer that never comes is no deadline", () => {
  const loop = new EventLoop({ host: new ManualHost() });
  loop.callLater(Number.POSITIVE_INFINITY, () => {});
  expect(nextDeadline(loop)).toBeUndefined();
  loop.close();
});

test("without a loop there has to be one that runs", () => {
  expect(() => nextDeadline()).toThrow(expect.objectContaining({ name: "NoRunningLoopError" }));
});
