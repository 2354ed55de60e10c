import { AsyncLocalStorage } from "node:async_hooks";
import { createTask, Future, getRunningLoop, run, sleep, until, type Coroutine } from "corio";
import { describe, expect, test } from "vitest";
import { drainPromises, virtualLoop } from "../support/virtual-loop.js";

const store = new AsyncLocalStorage<string>();

describe("AsyncLocalStorage in a run", () => {
  test("the run's own store is visible in all its tasks, callbacks and timers, at every step", async () => {
    const seen: unknown[] = [];
    const look = (): void => void seen.push(store.getStore());
    await store.run("run", () =>
      run(function* () {
        look();
        getRunningLoop().callSoon(look);
        getRunningLoop().callLater(1, look);
        const future = new Future<void>();
        future.addDoneCallback(look);
        yield* createTask(function* () {
          look();
          yield* sleep(1);
          look();
          yield* until(drainPromises());
          look();
          future.setResult();
        });
        yield* sleep(1);
        look();
      }),
    );
    expect(seen).toEqual(Array(8).fill("run"));
  });

  test("a waker's store never shows: not a host callback's that sets a future, nor one that schedules", async () => {
    const seen: unknown[] = [];
    await store.run("run", () =>
      run(function* () {
        const loop = getRunningLoop();
        const future = new Future<void>();
        const called = new Future<void>();
        store.run("waker", () => {
          setImmediate(() => future.setResult());
        });
        yield* future;
        seen.push(store.getStore());
        store.run("waker", () => {
          setImmediate(() =>
            loop.callSoon(() => {
              seen.push(store.getStore());
              called.setResult();
            }),
          );
        });
        yield* called;
        seen.push(store.getStore());
      }),
    );
    expect(seen).toEqual(["run", "run", "run"]);
  });

  test("a store under which one task waits for a promise is not visible in another", async () => {
    const seen: unknown[] = [];
    await run(function* () {
      const tenants = ["a", "b"].map((tenant) =>
        createTask(function* () {
          for (let i = 0; i < 3; i++) {
            yield* store.run(tenant, () => until(drainPromises()));
            seen.push(store.getStore());
          }
        }),
      );
      const other = createTask(function* () {
        for (let i = 0; i < 5; i++) {
          yield* until(drainPromises());
          seen.push(store.getStore());
        }
      });
      for (const task of [...tenants, other]) yield* task;
    });
    expect(seen).toEqual(Array(11).fill(undefined));
  });

  test("two runs side by side keep their stores apart", async () => {
    const one = new Map<string, unknown[]>();
    function* main(name: string): Coroutine<void> {
      const seen: unknown[] = [];
      one.set(name, seen);
      for (let i = 0; i < 5; i++) {
        yield* i % 2 === 0 ? sleep(1) : until(Promise.resolve());
        seen.push(store.getStore());
      }
    }
    await Promise.all(["x", "y"].map((name) => store.run(name, () => run(main(name)))));
    expect(one.get("x")).toEqual(Array(5).fill("x"));
    expect(one.get("y")).toEqual(Array(5).fill("y"));
  });

  test("holds on a host that is driven by hand as well: its driver's store does not show", () => {
    const { loop, host } = virtualLoop();
    const seen: unknown[] = [];
    store.run("run", () =>
      loop.start(
        (function* () {
          seen.push(store.getStore());
          yield* sleep(1);
          seen.push(store.getStore());
        })(),
      ),
    );
    store.run("driver", () => {
      while (host.step());
    });
    expect(seen).toEqual(["run", "run"]);
  });
});

describe("AsyncLocalStorage with { asyncLocalStorage: true }", () => {
  test("follows tasks: the store at createTask is the task's, at every step", async () => {
    const seen = new Map<string, unknown[]>();
    await store.run("run", () =>
      run(
        function* () {
          const tasks = ["a", "b"].map((tenant) =>
            store.run(tenant, () =>
              createTask(function* () {
                const mine: unknown[] = [];
                seen.set(tenant, mine);
                mine.push(store.getStore());
                yield* sleep(1);
                mine.push(store.getStore());
                yield* until(Promise.resolve());
                mine.push(store.getStore());
                yield;
                mine.push(store.getStore());
                yield* createTask(function* () {
                  mine.push(`child of ${store.getStore()}`);
                });
              }),
            ),
          );
          for (const task of tasks) yield* task;
          seen.set("main", [store.getStore()]);
        },
        { asyncLocalStorage: true },
      ),
    );
    for (const tenant of ["a", "b"]) {
      expect(seen.get(tenant)).toEqual([tenant, tenant, tenant, tenant, `child of ${tenant}`]);
    }
    expect(seen.get("main")).toEqual(["run"]);
  });

  test("enterWith inside of a task lasts in that task, and does not show in others", async () => {
    const seen: Record<string, unknown> = {};
    await run(
      function* () {
        const entering = createTask(function* () {
          store.enterWith("entered");
          yield* sleep(2);
          seen["entering, later"] = store.getStore();
          yield* createTask(function* () {
            seen["its child"] = store.getStore();
          });
        });
        const other = createTask(function* () {
          yield* sleep(1);
          seen["other"] = store.getStore();
          yield* sleep(5);
          seen["other, later"] = store.getStore();
        });
        yield* entering;
        seen["main"] = store.getStore();
        yield* other;
      },
      { asyncLocalStorage: true },
    );
    expect(seen).toEqual({
      "entering, later": "entered",
      "its child": "entered",
      other: undefined,
      "other, later": undefined,
      main: undefined,
    });
  });
});
