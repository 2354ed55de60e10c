import {
  CancelledError,
  type Coroutine,
  coroutine,
  createTask,
  currentTask,
  ExceptionGroup,
  Future,
  getRunningLoop,
  isCancelled,
  sleep,
  TaskGroup,
  timeout,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { failing, forever, later, now, thrownBy } from "../support/later.js";
import { runCleanly, turns } from "../support/run-cleanly.js";
import { runVirtually } from "../support/virtual-loop.js";
import { withCode } from "../support/with-code.js";

/** What a block in a task group throws, which must be a group of errors. */
function* errorsOf(block: Coroutine<unknown>): Coroutine<unknown[]> {
  const thrown = yield* thrownBy(block);
  expect(thrown).toBeInstanceOf(ExceptionGroup);
  return (thrown as ExceptionGroup).errors;
}

describe("TaskGroup", () => {
  test("ends when the last of its tasks has, and gives the body's result", () => {
    runCleanly(function* () {
      const result = yield* within(new TaskGroup(), function* (group) {
        const tasks = [group.createTask(later(10, "a")), group.createTask(later(30, "b"))];
        yield* sleep(5);
        return tasks;
      });
      expect(result?.map((task) => task.result())).toEqual(["a", "b"]);
      expect(now()).toBe(30);
    });
  });

  test("without tasks it ends with the body", () => {
    runCleanly(function* () {
      expect(yield* within(new TaskGroup(), () => "result")).toBe("result");
      expect(now()).toBe(0);
    });
  });

  test("takes functions, futures and options, as createTask does", () => {
    runCleanly(function* () {
      yield* within(new TaskGroup(), function* (group) {
        const named = group.createTask(() => later(1, "function"), { name: "worker" });
        expect(named.name).toBe("worker");
        const future = new Future<string>();
        const waiting = group.createTask(future);
        const eager = group.createTask(later(0, "eager"), { eagerStart: true });
        const done = group.createTask(
          (function* () {
            return "done at once";
          })(),
          { eagerStart: true },
        );
        expect(done.done).toBe(true);
        future.setResult("future");
        yield* sleep(2);
        expect([named, waiting, eager, done].map((task) => task.result())).toEqual([
          "function",
          "future",
          "eager",
          "done at once",
        ]);
      });
    });
  });

  test("its tasks may make further ones, also while the block already waits for them", () => {
    const log: string[] = [];
    runCleanly(function* () {
      yield* within(new TaskGroup(), function* (group) {
        function* spawn(depth: number): Coroutine<void> {
          yield* sleep(1);
          log.push(`depth ${depth}`);
          if (depth < 3) group.createTask(spawn(depth + 1));
        }
        group.createTask(spawn(1));
      });
      expect(now()).toBe(3);
    });
    expect(log).toEqual(["depth 1", "depth 2", "depth 3"]);
  });

  test("works from callbacks of the host", () => {
    runCleanly(function* () {
      const log: string[] = [];
      yield* within(new TaskGroup(), function* (group) {
        getRunningLoop().callLater(5, () => {
          group.createTask(function* () {
            yield* sleep(5);
            log.push("from a callback");
          });
        });
        yield* sleep(6);
      });
      expect(log).toEqual(["from a callback"]);
    });
  });

  test("tells who waits for its tasks", () => {
    runCleanly(function* () {
      const main = currentTask();
      yield* within(new TaskGroup(), function* (group) {
        const task = group.createTask(sleep(1));
        expect(task.awaitedBy.has(main)).toBe(true);
        yield* sleep(0);
      });
    });
  });

  describe("when a task fails", () => {
    test("the others and the body are cancelled and waited for, and the error comes in a group", () => {
      const log: string[] = [];
      const bad = new Error("bad");
      runCleanly(function* () {
        const thrown = yield* thrownBy(
          within(new TaskGroup(), function* (group) {
            group.createTask(forever(log, "a", 20));
            group.createTask(failing(5, bad));
            yield* forever(log, "body", 10);
          }),
        );
        expect(thrown).toMatchObject({
          name: "ExceptionGroup",
          message: "unhandled errors in a TaskGroup",
          errors: [bad],
        });
        expect([now(), currentTask().cancelling]).toEqual([25, 0]);
        expect((thrown as Error).cause).toBeUndefined();
      });
      expect(log).toEqual(["body ended", "a ended"]);
    });

    test("also while the block only waits for them", () => {
      runCleanly(function* () {
        const errors = yield* errorsOf(
          within(new TaskGroup(), function* (group) {
            group.createTask(forever());
            group.createTask(failing(5, new Error("bad")));
          }),
        );
        expect(errors).toEqual([new Error("bad")]);
        expect([now(), currentTask().cancelling]).toEqual([5, 0]);
      });
    });

    test("the errors of all that fail come together, in the order in which they came", () => {
      runCleanly(function* () {
        const errors = yield* errorsOf(
          within(new TaskGroup(), function* (group) {
            for (const name of ["a", "b"]) {
              group.createTask(function* () {
                try {
                  yield* sleep(name === "a" ? 5 : 100);
                } finally {
                  yield* failing(1, new Error(name));
                }
              });
            }
          }),
        );
        expect(errors).toEqual([new Error("a"), new Error("b")]);
      });
    });

    test("a body that catches the cancellation still throws the group at its end", () => {
      runCleanly(function* () {
        const log: string[] = [];
        const errors = yield* errorsOf(
          within(new TaskGroup(), function* (group) {
            group.createTask(failing(5, new Error("bad")));
            try {
              yield* sleep(100);
            } catch {}
            yield* sleep(5);
            log.push("went on");
          }),
        );
        expect(errors).toEqual([new Error("bad")]);
        expect(log).toEqual(["went on"]);
      });
    });

    test("the body's own error is one of them", () => {
      runCleanly(function* () {
        const errors = yield* errorsOf(
          within(new TaskGroup(), function* (group) {
            group.createTask(failing(5, new Error("task")));
            try {
              yield* sleep(100);
            } finally {
              yield* failing(1, new Error("body"));
            }
          }),
        );
        expect(errors).toEqual([new Error("task"), new Error("body")]);
      });
    });

    test("a task that was cancelled is no failure", () => {
      runCleanly(function* () {
        const result = yield* within(new TaskGroup(), function* (group) {
          const task = group.createTask(forever());
          group.createTask(later(10, 1));
          yield* sleep(1);
          task.cancel();
          yield* sleep(1);
          return "result";
        });
        expect(result).toBe("result");
        expect(now()).toBe(10);
      });
    });
  });

  describe("when the body fails", () => {
    test("the tasks are cancelled and waited for, and the error comes in a group", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const errors = yield* errorsOf(
          within(new TaskGroup(), function* (group) {
            group.createTask(forever(log, "task", 10));
            yield* failing(5, new Error("body"));
          }),
        );
        expect(errors).toEqual([new Error("body")]);
        expect(now()).toBe(15);
      });
      expect(log).toEqual(["task ended"]);
    });

    test("what a task throws when it is cancelled then is there, too", () => {
      runCleanly(function* () {
        const errors = yield* errorsOf(
          within(new TaskGroup(), function* (group) {
            group.createTask(function* () {
              try {
                yield* sleep(100);
              } finally {
                yield* failing(1, new Error("task"));
              }
            });
            yield* failing(5, new Error("body"));
          }),
        );
        expect(errors).toEqual([new Error("task"), new Error("body")]);
      });
    });

    test("a CancelledError of its own goes on up as such", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const error = yield* thrownBy(
          within(new TaskGroup(), function* (group) {
            group.createTask(forever(log, "task"));
            yield* failing(1, new CancelledError("own"));
          }),
        );
        expect(isCancelled(error) && error.reason).toBe("own");
      });
      expect(log).toEqual(["task ended"]);
    });
  });

  describe("when it is cancelled from outside", () => {
    test("in the body, all are cancelled and waited for, and the cancellation goes on up", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const task = createTask(
          within(new TaskGroup(), function* (group) {
            group.createTask(forever(log, "member", 10));
            yield* forever(log, "body", 5);
          }),
        );
        yield* sleep(1);
        task.cancel("outside");
        const error = yield* thrownBy(task);
        expect(isCancelled(error) && error.reason).toBe("outside");
        // one after the other: the members are cancelled when the body has ended
        expect(now()).toBe(16);
      });
      expect(log).toEqual(["body ended", "member ended"]);
    });

    test("while the block waits for its tasks", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const task = createTask(
          within(new TaskGroup(), (group) => {
            group.createTask(forever(log, "member", 10));
          }),
        );
        yield* sleep(1);
        task.cancel("outside");
        const error = yield* thrownBy(task);
        expect(isCancelled(error) && error.reason).toBe("outside");
        expect([now(), task.cancelling]).toEqual([11, 1]);
      });
      expect(log).toEqual(["member ended"]);
    });

    test("a second and a third time while it waits: the tasks are not interrupted, and waited for all the same", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const task = createTask(
          within(new TaskGroup(), (group) => {
            group.createTask(forever(log, "member", 10));
          }),
        );
        for (const reason of ["first", "second", "third"]) {
          yield* sleep(1);
          task.cancel(reason);
        }
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
        expect([now(), task.cancelling]).toEqual([11, 3]);
      });
      expect(log).toEqual(["member ended"]);
    });

    test("errors go before the cancellation, which comes at the next wait", () => {
      runCleanly(function* () {
        const log: string[] = [];
        const task = createTask(function* () {
          const errors = yield* errorsOf(
            within(new TaskGroup(), (group) => {
              group.createTask(function* () {
                try {
                  yield* sleep(100);
                } finally {
                  yield* failing(1, new Error("member"));
                }
              });
            }),
          );
          expect(errors).toEqual([new Error("member")]);
          log.push("caught");
          yield* sleep(100);
          log.push("not reached");
        });
        yield* sleep(5);
        task.cancel();
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
        expect(log).toEqual(["caught"]);
        expect(now()).toBe(6);
      });
    });

    test("at once with a failing task, it is not lost", () => {
      runCleanly(function* () {
        const log: string[] = [];
        const failed = new Future<void>();
        const task = createTask(function* () {
          try {
            yield* within(new TaskGroup(), function* (group) {
              group.createTask(failed);
              yield* sleep(100);
            });
          } catch (error) {
            log.push((error as Error).name);
          }
          yield* sleep(100);
          log.push("not reached");
        });
        getRunningLoop().callLater(5, () => {
          failed.setException(new Error("member"));
          task.cancel();
        });
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
        expect(log).toEqual(["ExceptionGroup"]);
      });
    });
  });

  describe("cancel", () => {
    test("cancels the tasks and the body, and the block ends without an error", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const result = yield* within(new TaskGroup(), function* (group) {
          group.createTask(forever(log, "member", 5));
          getRunningLoop().callLater(5, () => group.cancel());
          yield* forever(log, "body");
          return "not reached";
        });
        expect(result).toBeUndefined();
        expect([now(), currentTask().cancelling]).toEqual([10, 0]);
        yield* sleep(1);
      });
      expect(log).toEqual(["body ended", "member ended"]);
    });

    test("by the body itself, by a member, and from a callback while the block waits", () => {
      runCleanly(function* () {
        yield* within(new TaskGroup(), function* (group) {
          group.createTask(forever());
          group.cancel();
          yield* sleep(100);
        });
        yield* within(new TaskGroup(), function* (group) {
          group.createTask(forever());
          group.createTask(function* () {
            yield* sleep(5);
            group.cancel();
          });
          yield* sleep(100);
        });
        yield* within(new TaskGroup(), (group) => {
          group.createTask(forever());
          getRunningLoop().callLater(5, () => group.cancel());
        });
        expect([now(), currentTask().cancelling]).toEqual([10, 0]);
        yield* sleep(1);
      });
    });

    test("in a body that then ends normally, the result stands", () => {
      runCleanly(function* () {
        const result = yield* within(new TaskGroup(), (group) => {
          group.cancel();
          return "result";
        });
        expect(result).toBe("result");
        yield* sleep(1);
        expect(currentTask().cancelling).toBe(0);
      });
    });

    test("before the group is entered it takes effect then", () => {
      runCleanly(function* () {
        const group = new TaskGroup();
        group.cancel();
        const log: string[] = [];
        yield* within(group, function* () {
          log.push("body begins");
          yield* sleep(100);
          log.push("not reached");
        });
        expect([log, now()]).toEqual([["body begins"], 0]);
        yield* sleep(1);
      });
    });

    test("again, and after the end, it does nothing", () => {
      runCleanly(function* () {
        let ended: TaskGroup | undefined;
        yield* within(new TaskGroup(), function* (group) {
          ended = group;
          group.cancel();
          group.cancel();
          expect(currentTask().cancelling).toBe(1);
          yield* sleep(100);
        });
        ended?.cancel();
        expect(currentTask().cancelling).toBe(0);
        yield* sleep(1);
      });
    });

    test("an error of a member is not hidden by it", () => {
      runCleanly(function* () {
        const errors = yield* errorsOf(
          within(new TaskGroup(), function* (group) {
            group.createTask(function* () {
              try {
                yield* sleep(100);
              } finally {
                yield* failing(1, new Error("member"));
              }
            });
            yield* sleep(1);
            group.cancel();
          }),
        );
        expect(errors).toEqual([new Error("member")]);
        expect(currentTask().cancelling).toBe(0);
      });
    });

    test("nor is an error of the body", () => {
      runCleanly(function* () {
        const errors = yield* errorsOf(
          within(new TaskGroup(), function* (group) {
            group.cancel();
            throw new Error("body");
          }),
        );
        expect(errors).toEqual([new Error("body")]);
      });
    });

    test("swallows its own cancellation and no other: one from outside at once with it", () => {
      for (const first of ["group", "outside"]) {
        runCleanly(function* () {
          const task = createTask(
            within(new TaskGroup(), function* (group) {
              getRunningLoop().callLater(5, () => {
                if (first === "group") group.cancel();
                task.cancel("outside");
                if (first === "outside") group.cancel();
              });
              yield* sleep(100);
            }),
          );
          expect(isCancelled(yield* thrownBy(task))).toBe(true);
          expect(task.cancelling).toBe(1);
        });
      }
    });

    test("swallows its own cancellation and no other: one from outside while it waits for its tasks", () => {
      runCleanly(function* () {
        const task = createTask(
          within(new TaskGroup(), function* (group) {
            group.createTask(forever([], "member", 10));
            yield* sleep(1);
            group.cancel();
            yield* sleep(100);
          }),
        );
        yield* sleep(5);
        task.cancel("outside");
        expect(isCancelled(yield* thrownBy(task))).toBe(true);
        expect(now()).toBe(11);
      });
    });
  });

  test("regression: cancelled from outside after its own cancel while it only waits, the cancellation is not lost", () => {
    runCleanly(function* () {
      const task = createTask(
        within(new TaskGroup(), (group) => {
          group.createTask(forever([], "member", 10));
          getRunningLoop().callLater(1, () => group.cancel());
        }),
      );
      yield* sleep(5);
      task.cancel("outside");
      const error = yield* thrownBy(task);
      expect(isCancelled(error) && error.reason).toBe("outside");
      expect([now(), task.cancelling]).toEqual([11, 1]);
    });
  });

  test("an error of the body is not lost when it is cancelled while it waits for its tasks", () => {
    runCleanly(function* () {
      const log: unknown[] = [];
      const task = createTask(function* () {
        log.push(
          ...(yield* errorsOf(
            within(new TaskGroup(), function* (group) {
              group.createTask(forever([], "member", 10));
              yield* failing(1, new Error("body"));
            }),
          )),
        );
        yield* sleep(100);
      });
      yield* sleep(5);
      task.cancel();
      expect(isCancelled(yield* thrownBy(task))).toBe(true);
      expect(log).toEqual([new Error("body")]);
      expect(now()).toBe(11);
    });
  });

  describe("nested", () => {
    test("an error of the inner group cancels the outer one's tasks", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const thrown = yield* thrownBy(
          within(new TaskGroup(), function* (outer) {
            outer.createTask(forever(log, "outer member"));
            yield* within(new TaskGroup(), function* (inner) {
              inner.createTask(forever(log, "inner member"));
              inner.createTask(failing(5, new Error("bad")));
              yield* sleep(100);
            });
          }),
        );
        expect((thrown as ExceptionGroup).leaves()).toEqual([new Error("bad")]);
        expect((thrown as ExceptionGroup<ExceptionGroup>).errors[0]?.errors).toEqual([new Error("bad")]);
        expect(currentTask().cancelling).toBe(0);
      });
      expect(log).toEqual(["inner member ended", "outer member ended"]);
    });

    test("an error of the outer group goes through the inner one", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const errors = yield* errorsOf(
          within(new TaskGroup(), function* (outer) {
            outer.createTask(failing(5, new Error("bad")));
            yield* within(new TaskGroup(), function* (inner) {
              inner.createTask(forever(log, "inner member"));
              yield* sleep(100);
            });
          }),
        );
        expect(errors).toEqual([new Error("bad")]);
        expect(currentTask().cancelling).toBe(0);
      });
      expect(log).toEqual(["inner member ended"]);
    });

    test("both fail at once: both errors are there", () => {
      runCleanly(function* () {
        const thrown = yield* thrownBy(
          within(new TaskGroup(), function* (outer) {
            outer.createTask(failing(5, new Error("outer")));
            yield* within(new TaskGroup(), function* (inner) {
              inner.createTask(failing(5, new Error("inner")));
              yield* sleep(100);
            });
          }),
        );
        expect((thrown as ExceptionGroup).leaves().map(String).toSorted()).toEqual(["Error: inner", "Error: outer"]);
        expect(currentTask().cancelling).toBe(0);
      });
    });

    test("cancelling the inner one leaves the outer one alone", () => {
      runCleanly(function* () {
        yield* within(new TaskGroup(), function* (outer) {
          const member = outer.createTask(later(20, "outer member"));
          yield* within(new TaskGroup(), function* (inner) {
            inner.createTask(forever());
            yield* sleep(1);
            inner.cancel();
            yield* sleep(100);
          });
          expect(yield* member).toBe("outer member");
        });
      });
    });

    test("cancelling the outer one ends both", () => {
      const log: string[] = [];
      runCleanly(function* () {
        yield* within(new TaskGroup(), function* (outer) {
          getRunningLoop().callLater(5, () => outer.cancel());
          yield* within(new TaskGroup(), function* (inner) {
            inner.createTask(forever(log, "inner member"));
            yield* sleep(100);
          });
          log.push("not reached");
        });
        expect(currentTask().cancelling).toBe(0);
        yield* sleep(1);
      });
      expect(log).toEqual(["inner member ended"]);
    });

    test("a time limit around a group, and one inside", () => {
      const log: string[] = [];
      runCleanly(function* () {
        const outside = yield* thrownBy(
          within(timeout(5), new TaskGroup(), function* (_limit, group) {
            group.createTask(forever(log, "a"));
            yield* sleep(100);
          }),
        );
        expect(outside).toMatchObject({ message: "timed out after 5 ms" });
        const inside = yield* errorsOf(
          within(new TaskGroup(), timeout(5), function* (group) {
            group.createTask(forever(log, "b"));
            yield* sleep(100);
          }),
        );
        expect(inside).toMatchObject([{ message: "timed out after 5 ms" }]);
        expect(currentTask().cancelling).toBe(0);
      });
      expect(log).toEqual(["a ended", "b ended"]);
    });

    test("a time limit up at once with a member's failure loses neither the error nor the count", () => {
      runCleanly(function* () {
        const thrown = yield* thrownBy(
          within(new TaskGroup(), function* (group) {
            const failed = new Future<void>();
            getRunningLoop().callLater(5, () => failed.setException(new Error("member")));
            yield* within(timeout(5), new TaskGroup(), function* (_limit, inner) {
              inner.createTask(failed);
              yield* sleep(100);
            });
            group.cancel();
          }),
        );
        expect((thrown as ExceptionGroup).leaves()).toEqual([new Error("member")]);
        yield* turns(2);
        expect(currentTask().cancelling).toBe(0);
      });
    });
  });

  describe("used wrongly", () => {
    const refused = function* (): Coroutine<void> {
      throw new Error("must not run");
    };

    test("a task of a group that has not been entered, is finished or shuts down is refused, and its coroutine closed", () => {
      runCleanly(function* () {
        const group = new TaskGroup();
        const early = refused();
        expect(() => group.createTask(early)).toThrow(withCode("TASK_GROUP_STATE", /has not been entered/));
        expect(early.next().done).toBe(true);
        yield* within(group, () => {});
        const late = refused();
        expect(() => group.createTask(late)).toThrow(withCode("TASK_GROUP_STATE", /is finished/));
        expect(late.next().done).toBe(true);
        yield* within(new TaskGroup(), function* (other) {
          other.createTask(forever([], "member", 5));
          yield* sleep(1);
          other.cancel();
          const between = refused();
          expect(() => other.createTask(between)).toThrow(withCode("TASK_GROUP_STATE", /is shutting down/));
          expect(between.next().done).toBe(true);
        });
      });
    });

    test("a named coroutine that is refused is not reported as forgotten", () => {
      const named = coroutine(function* named() {
        yield* sleep(1);
      });
      const { reports } = runVirtually(function* () {
        expect(() => new TaskGroup().createTask(named())).toThrow(withCode("TASK_GROUP_STATE"));
        yield* turns(1);
      });
      expect(reports).toEqual([]);
    });

    test("what is no coroutine is refused", () => {
      runCleanly(function* () {
        yield* within(new TaskGroup(), (group) => {
          expect(() => group.createTask(5 as never)).toThrow(withCode("NOT_AWAITABLE"));
          expect(() => group.createTask((() => 5) as never)).toThrow(withCode("NOT_COROUTINE"));
        });
      });
    });

    test("one group is for one block, and inside a task", () => {
      runCleanly(function* () {
        const group = new TaskGroup();
        yield* within(group, () => {});
        expect(yield* thrownBy(within(group, () => {}))).toMatchObject({
          code: "ERR_CORIO_TASK_GROUP_STATE",
          message: expect.stringMatching(/already been entered/),
        });
        expect(yield* thrownBy(new TaskGroup().exit())).toMatchObject({ code: "ERR_CORIO_TASK_GROUP_STATE" });
      });
      expect(() => new TaskGroup().enter()).toThrow(
        withCode("OUTSIDE_TASK", /^TaskGroup should be used inside a task/),
      );
    });
  });
});
