import type * as corio from "corio";
import { createTask, type Future, getRunningLoop, isCoroutine, Task, until } from "corio";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BuiltCore, buildCore } from "../support/built-core.js";
import { runVirtually, runVirtuallyWithPromises } from "../support/virtual-loop.js";

type Corio = typeof corio;

let built: BuiltCore;
let other: Corio;
let url: string;

beforeAll(async () => {
  built = await buildCore();
  url = built.copy("second-copy");
  other = (await import(/* @vite-ignore */ url)) as Corio;
});

afterAll(() => built?.remove());

/** A loop of the second copy, and a future of it. */
function foreignFuture(): Future<number> {
  const loop = new other.EventLoop({ host: new other.ManualHost() });
  return loop.createFuture<number>();
}

describe("an object of a second copy of corio", () => {
  const both = (): object =>
    expect.objectContaining({
      code: "ERR_CORIO_TWO_COPIES",
      message: expect.stringMatching(
        new RegExp(`${escape(url.replace("index.js", ""))}.*corio/(src|dist)/.*npm dedupe`, "s"),
      ),
    });

  test("that is awaited is an error at that place, which names both copies", () => {
    const { throws } = runVirtually(function* () {
      yield* foreignFuture();
    });
    expect(throws).toEqual(both());
  });

  test("that is given to new Task is refused with both names", () => {
    expect(() => new Task(foreignFuture() as never)).toThrow(both());
  });

  test("is no coroutine", () => {
    expect(isCoroutine(foreignFuture())).toBe(false);
  });

  test("a coroutine of the second copy that looks for its loop says that there are two", () => {
    const { throws } = runVirtually(function* () {
      yield* other.sleep(1);
    });
    expect((throws as Error).message).toMatch(/second copy|two copies/i);
    expect((throws as Error).message).toContain(url.replace("dist/index.js", ""));
  });

  test("serves as the promise that it is where a promise serves", async () => {
    const future = foreignFuture();
    const { result } = await runVirtuallyWithPromises(function* () {
      getRunningLoop().callLater(1, () => future.setResult(7));
      const task = createTask(future as unknown as PromiseLike<number>);
      return [yield* until(future as unknown as PromiseLike<number>), yield* task];
    });
    expect(result).toEqual([7, 7]);
  });
});

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
