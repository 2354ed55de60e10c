import { type Coroutine, getRunningLoop } from "corio";
import { VirtualLoop } from "@corio/testing";
import { expect } from "vitest";
import { leftOnLoop, Reports } from "../../src/leaks/left-on-loop.js";

/**
 * Runs main on virtual time, synchronously, and expects that it leaves nothing behind: no task, no timer, and no report but those
 * that were announced.
 */
export function runInMemory<T>(main: () => Coroutine<T>, announced: readonly RegExp[] = []): Awaited<T> {
  const virtual = new VirtualLoop();
  const reports = new Reports((message) => reports.lost.push(message));
  reports.attach(virtual.loop);
  let left: string[] = [];
  const result = virtual.runUntilComplete(function* () {
    const value = yield* main();
    left = leftOnLoop(virtual.loop);
    return value;
  });
  virtual.close();
  expect(left, "left behind").toEqual([]);
  expect(reports.lost, "reports").toEqual(announced.map((one) => expect.stringMatching(one)));
  return result;
}

/** The time on the running loop's clock. */
export function now(): number {
  return getRunningLoop().time();
}
