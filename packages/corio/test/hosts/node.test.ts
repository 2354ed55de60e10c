import { BrowserHost, createTask, EventLoop, getRunningLoop, NodeHost, run, sleep, until } from "corio";
import { describe, expect, test } from "vitest";

const hosts = [
  ["Node", () => new NodeHost()],
  ["the browser", () => new BrowserHost()],
] as const;

describe.each(hosts)("the host of %s", (_name, makeHost) => {
  const host = makeHost();
  const loopFactory = (): EventLoop => new EventLoop({ host });

  test("runs turns soon, in order, and never before the request returns", async () => {
    const ran: string[] = [];
    await new Promise<void>((resolve) => {
      host.requestTurn(() => ran.push("first"));
      host.requestTurn(() => {
        ran.push("second");
        resolve();
      });
      ran.push("requested");
    });
    expect(ran).toEqual(["requested", "first", "second"]);
  });

  test("has a clock that never runs backwards, and rings at the time", async () => {
    const start = host.now();
    await new Promise<void>((resolve) => void host.requestTurnAt(start + 5, resolve));
    expect(host.now()).toBeGreaterThanOrEqual(start + 4);
    host.requestTurnAt(host.now() + 1, () => expect.unreachable())();
  });

  test("runs a program with tasks and sleeps", async () => {
    const result = await run(
      function* () {
        const tasks = [3, 2, 1].map((n) => createTask(sleep(n, n)));
        const results: number[] = [];
        for (const task of tasks) results.push(yield* task);
        return results;
      },
      { loopFactory },
    );
    expect(result).toEqual([3, 2, 1]);
  });

  test("gets its say beside a task that spins: timers, immediates and native promises", async () => {
    const seen = { timeout: false, immediate: false, promises: 0 };
    await run(
      function* () {
        setTimeout(() => {
          seen.timeout = true;
        }, 1);
        setImmediate(() => {
          seen.immediate = true;
        });
        void (async () => {
          for (; seen.promises < 10; seen.promises++) await Promise.resolve();
        })();
        while (!(seen.timeout && seen.immediate && seen.promises === 10)) yield;
      },
      { loopFactory },
    );
    expect(seen).toEqual({ timeout: true, immediate: true, promises: 10 });
  });

  test("a real timer of 1 ms fires beside an endless loop of waits for settled promises", async () => {
    let fired = false;
    await run(
      function* () {
        const loop = getRunningLoop();
        const giveUpAt = loop.time() + 4_000;
        setTimeout(() => {
          fired = true;
        }, 1);
        // bounded, so that a failure is a failure and not a process that hangs
        while (!fired && loop.time() < giveUpAt) yield* until(Promise.resolve());
      },
      { loopFactory },
    );
    expect(fired).toBe(true);
  });

  test("a delay beyond 2^31 - 1 ms does not fire at once", async () => {
    let fired = false;
    await run(
      function* () {
        const loop = getRunningLoop();
        const handle = loop.callLater(2 ** 31, () => {
          fired = true;
        });
        const forever = createTask(sleep(Number.POSITIVE_INFINITY));
        yield* sleep(5);
        handle.cancel();
        forever.cancel();
      },
      { loopFactory },
    );
    expect(fired).toBe(false);
  });

  test("several runs side by side end each with its own result", async () => {
    const results = await Promise.all([5, 1, 3].map((ms) => run(sleep(ms, `after ${ms}`), { loopFactory })));
    expect(results).toEqual(["after 5", "after 1", "after 3"]);
  });
});

describe("the listener for beforeExit", () => {
  test("is one for all loops, and goes with the last run", async () => {
    const before = process.listenerCount("beforeExit");
    const counts: number[] = [];
    await Promise.all(
      Array.from({ length: 20 }, () =>
        run(function* () {
          yield* sleep(1);
          counts.push(process.listenerCount("beforeExit") - before);
        }),
      ),
    );
    expect(Math.max(...counts)).toBe(1);
    expect(process.listenerCount("beforeExit")).toBe(before);
  });
});
