// What the core promises, on any runtime. Imports what is built, as a user's program would.
import {
  allTasks,
  asCompleted,
  asyncGenerator,
  attempt,
  Barrier,
  BoundedSemaphore,
  BrokenBarrierError,
  CancelledError,
  captureCallGraph,
  Condition,
  Context,
  ContextVar,
  contextManager,
  copyContext,
  CorioError,
  coroutine,
  createTask,
  currentTask,
  DeadlockError,
  eagerTaskFactory,
  ensureFuture,
  Event,
  EventLoop,
  ExceptionGroup,
  exceptGroup,
  ExitStack,
  forEach,
  formatCallGraph,
  Future,
  gather,
  getRunningLoop,
  InvalidStateError,
  isCancelled,
  isCoroutine,
  isCoroutineFunction,
  isFuture,
  iterate,
  LifoQueue,
  Lock,
  ManualHost,
  map,
  NoRunningLoopError,
  PriorityQueue,
  Queue,
  QueueEmpty,
  QueueFull,
  QueueShutDown,
  race,
  retry,
  run,
  Runner,
  Semaphore,
  shield,
  sleep,
  Task,
  TaskGroup,
  TimeoutError,
  timeout,
  timeoutAt,
  until,
  wait,
  waitFor,
  within,
} from "../../dist/index.js";
import { equal, ok, raises, rejects, throws } from "./assert.mjs";

/** @type {{ title: string, test: () => void | Promise<void> }[]} */
export const suite = [];

/** A test that is plain code, or runs on the host's own clock where the host is what it is about. */
function plain(title, test) {
  suite.push({ title, test });
}

/** A test that is a coroutine, on a clock that jumps to the next timer. Promises do not settle meanwhile. */
function virtual(title, main, options) {
  suite.push({ title, test: () => void virtually(main, options) });
}

function virtually(main, { debug = false, reports = [] } = {}) {
  const host = new ManualHost();
  const loop = new EventLoop({ host, debug });
  loop.reporter = { error: (...data) => reports.push(data), warn: (...data) => reports.push(data) };
  const whole = loop.start(main());
  while (!whole.done && host.step());
  try {
    return whole.result();
  } finally {
    loop.close();
  }
}

const now = () => getRunningLoop().time();

function* later(ms, value) {
  yield* sleep(ms);
  return value;
}

function* failing(ms, error) {
  yield* sleep(ms);
  throw error;
}

// ---------------------------------------------------------------- run

plain("run gives what its main coroutine returns, waits and all", async () => {
  const result = await run(function* () {
    yield* sleep(2);
    return "done";
  });
  equal(result, "done");
});

plain("run takes a coroutine, a function that makes one, and a promise", async () => {
  equal(await run(later(0, 1)), 1);
  equal(await run(() => later(0, 2)), 2);
  equal(await run(Promise.resolve(3)), 3);
});

plain("run rejects with what main throws", async () => {
  const error = new RangeError("no");
  equal(await rejects(run(failing(1, error)), RangeError), error);
});

plain("run cancels the tasks that are left, and waits for their cleanup", async () => {
  const log = [];
  await run(function* () {
    createTask(function* () {
      try {
        yield* sleep(Infinity);
      } finally {
        yield* sleep(1);
        log.push("cleaned up");
      }
    });
    yield* sleep(0);
  });
  equal(log, ["cleaned up"]);
});

plain("run waits for a task that main returns", async () => {
  equal(await run(() => returningTask()), "of the task");
  function* returningTask() {
    return createTask(later(1, "of the task"));
  }
});

plain("an abort cancels main, and run rejects with its reason after the cleanup", async () => {
  const controller = new AbortController();
  const log = [];
  const whole = run(
    function* () {
      try {
        yield* sleep(Infinity);
      } finally {
        yield* sleep(1);
        log.push("cleaned up");
      }
    },
    { signal: controller.signal },
  );
  const reason = new Error("enough");
  setTimeout(() => controller.abort(reason), 2);
  equal(await rejects(whole), reason);
  equal(log, ["cleaned up"]);
});

plain("a signal that is aborted already never starts main", async () => {
  let started = false;
  const reason = new Error("too late");
  const main = function* () {
    started = true;
  };
  equal(await rejects(run(main, { signal: AbortSignal.abort(reason) })), reason);
  equal(started, false);
});

plain("run inside a running loop is refused at once", async () => {
  await run(function* () {
    equal(throws(() => run(later(0)), CorioError).code, "ERR_CORIO_INSIDE_LOOP");
  });
});

plain("run refuses what is no coroutine, at once", () => {
  ok(throws(() => run(3), TypeError).code.startsWith("ERR_CORIO_"));
});

plain("two runs side by side each have a loop of their own", async () => {
  const loops = await Promise.all([run(loopAfter(2)), run(loopAfter(1))]);
  ok(loops[0] !== loops[1]);
  function* loopAfter(ms) {
    yield* sleep(ms);
    return getRunningLoop();
  }
});

plain("a runner keeps its loop and its context from run to run", async () => {
  const user = new ContextVar("user");
  const runner = new Runner();
  const { loop } = runner;
  await runner.run(function* () {
    user.set("ada");
  });
  const [seen, sameLoop] = await runner.run(function* () {
    return [user.get(), getRunningLoop() === loop];
  });
  await runner.close();
  equal([seen, sameLoop, loop.closed], ["ada", true, true]);
});

plain("a loop of one's own runs a coroutine until it is complete", async () => {
  const loop = new EventLoop();
  equal(await loop.runUntilComplete(later(1, "ended")), "ended");
  equal([loop.running, loop.closed], [false, false]);
  loop.close();
  equal(throws(() => loop.callSoon(() => {}), CorioError).code, "ERR_CORIO_LOOP_CLOSED");
});

plain("a loop runs for ever until it is stopped, and can be started again", async () => {
  const loop = new EventLoop();
  const log = [];
  for (const round of [1, 2]) {
    loop.callSoon(() => log.push(round));
    loop.callLater(1, () => loop.stop());
    await loop.runForever();
  }
  loop.close();
  equal(log, [1, 2]);
});

// ---------------------------------------------------------------- the host

plain("timers of the host come in order, and none early", async () => {
  await run(function* () {
    const start = performance.now();
    const order = [];
    const at = function* (ms) {
      yield* sleep(ms);
      order.push(ms);
      ok(performance.now() - start > ms - 2, `${ms} ms were up after ${performance.now() - start} ms`);
    };
    yield* gather(at(9), at(1), at(5));
    equal(order, [1, 5, 9]);
  });
});

plain("the host gets its say while a task spins", async () => {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  try {
    await run(function* () {
      while (ticks < 3) yield;
    });
  } finally {
    clearInterval(timer);
  }
});

plain("promises settle while a task spins", async () => {
  let settled = false;
  await run(function* () {
    void Promise.resolve()
      .then(() => new Promise((resolve) => setTimeout(resolve, 1)))
      .then(() => {
        settled = true;
      });
    while (!settled) yield;
  });
});

plain("callbacks of the host wake tasks", async () => {
  const woken = await run(function* () {
    const future = new Future();
    setTimeout(() => future.setResult("woken"), 1);
    return yield* future;
  });
  equal(woken, "woken");
});

plain("callbacks of the host are in no loop, but reach one that was kept", async () => {
  await run(function* () {
    const loop = getRunningLoop();
    const event = new Event();
    setTimeout(() => {
      throws(() => createTask(later(0)), NoRunningLoopError);
      loop.createTask(function* () {
        event.set();
      });
    }, 1);
    yield* event.wait();
  });
});

plain("a manual host is driven by hand, and jumps over times in which nothing happens", () => {
  const host = new ManualHost();
  const loop = new EventLoop({ host });
  const whole = loop.start(later(3_600_000, "an hour later"));
  let steps = 0;
  while (!whole.done && host.step()) steps++;
  equal(whole.result(), "an hour later");
  equal(host.now(), 3_600_000);
  ok(steps < 10);
  loop.close();
});

plain("a manual host moves only as far as it is told", () => {
  const host = new ManualHost(1_000);
  const loop = new EventLoop({ host });
  const whole = loop.start(later(10));
  const settle = () => {
    while (host.runTurn());
  };
  settle();
  host.advance(9);
  settle();
  equal([whole.done, host.nextAlarm], [false, 1_010]);
  host.advance(1);
  settle();
  equal(whole.done, true);
  loop.close();
});

plain("a deadlock cancels main and is an error that names who waits", () => {
  const log = [];
  const error = throws(
    () =>
      virtually(function* () {
        try {
          yield* new Future();
        } finally {
          log.push("cleaned up");
        }
      }),
    DeadlockError,
  );
  equal(log, ["cleaned up"]);
  ok(/Task-\d+/.test(error.message), error.message);
});

// ---------------------------------------------------------------- tasks and cancellation

virtual("a task starts in the next iteration, and an eager one at once", function* () {
  const log = [];
  const noting = function* (what) {
    log.push(what);
  };
  createTask(noting("task"));
  createTask(noting("eager"), { eagerStart: true });
  log.push("creator");
  yield* sleep(0);
  equal(log, ["eager", "creator", "task"]);
});

virtual("an eager task factory makes tasks that need not wait be done at once", function* () {
  getRunningLoop().taskFactory = eagerTaskFactory;
  const task = createTask(function* () {
    return 7;
  });
  equal([task.done, task.result()], [true, 7]);
});

virtual("tasks know their names, their loop's others and the current one", function* () {
  const other = createTask(sleep(1), { name: "other" });
  ok(currentTask() instanceof Task);
  equal(allTasks(), new Set([currentTask(), other]));
  equal(other.name, "other");
  yield* other;
});

virtual("cancelling a task runs its finally, which may wait", function* () {
  const log = [];
  const task = createTask(function* () {
    try {
      yield* sleep(1_000);
    } finally {
      log.push(`finally at ${now()}`);
      yield* sleep(5);
      log.push(`cleaned up at ${now()}`);
    }
  });
  yield* sleep(10);
  equal(task.cancel("reason"), true);
  equal((yield* raises(task, CancelledError)).reason, "reason");
  equal([task.cancelled, task.cancelReason], [true, "reason"]);
  equal(log, ["finally at 10", "cleaned up at 15"]);
  equal(task.cancel(), false);
});

virtual("a finally that waits in a delegated coroutine does not make the outer one run on", function* () {
  const log = [];
  const inner = function* () {
    try {
      yield* sleep(1_000);
    } finally {
      yield* sleep(1);
      log.push("inner");
    }
  };
  const task = createTask(function* () {
    yield* inner();
    log.push("ran on");
  });
  yield* sleep(0);
  task.cancel();
  yield* raises(task, CancelledError);
  equal(log, ["inner"]);
});

virtual("a task that is cancelled before it starts never runs", function* () {
  let ran = false;
  const task = createTask(function* () {
    ran = true;
  });
  task.cancel();
  yield* raises(task, CancelledError);
  equal(ran, false);
});

virtual("a cancellation can be swallowed, and taken back", function* () {
  const task = createTask(function* () {
    try {
      yield* sleep(1_000);
    } catch (error) {
      ok(isCancelled(error));
      equal([currentTask().cancelling, currentTask().uncancel()], [1, 0]);
    }
    yield* sleep(1);
    return "survived";
  });
  yield* sleep(0);
  task.cancel();
  equal(yield* task, "survived");
});

virtual("a shielded task goes on when the wait for it is cancelled", function* () {
  const inner = createTask(later(10, "saved"));
  const outer = createTask(function* () {
    yield* shield(inner);
  });
  yield* sleep(1);
  outer.cancel();
  yield* raises(outer, CancelledError);
  equal(yield* inner, "saved");
});

virtual("yield without its star is an error that comes at the yield", function* () {
  const task = createTask(function* () {
    yield new Future();
  });
  equal((yield* raises(task, CorioError)).code, "ERR_CORIO_BAD_YIELD");
});

virtual("a coroutine that was awaited cannot be awaited again by a task", function* () {
  const once = later(0);
  yield* createTask(once);
  equal(throws(() => createTask(once), CorioError).code, "ERR_CORIO_AWAITED_TWICE");
});

// ---------------------------------------------------------------- futures

virtual("a future hands its result to all who wait, and its callbacks run in order", function* () {
  const future = new Future();
  const log = [];
  future.addDoneCallback(() => log.push("first"));
  future.addDoneCallback(() => log.push("second"));
  const waiting = [createTask(future), createTask(future)];
  yield* sleep(0);
  future.setResult("there");
  equal(log, []);
  equal(yield* gather(waiting), ["there", "there"]);
  equal(log, ["first", "second"]);
});

virtual("a future is ended once, and not read before", function* () {
  const future = new Future();
  throws(() => future.result(), InvalidStateError);
  future.setResult(1);
  throws(() => future.setResult(2), InvalidStateError);
  throws(() => future.setException(new Error("late")), InvalidStateError);
  equal([future.result(), future.exception()], [1, undefined]);
});

plain("plain async code awaits futures and tasks, also after the run", async () => {
  const [task] = await run(function* () {
    const made = createTask(later(1, "result"));
    const seen = yield* until((async () => await made)());
    equal(seen, "result");
    return [made];
  });
  equal(await task, "result");
});

plain("isFuture, isCoroutine and isCoroutineFunction tell what is what", async () => {
  await run(function* () {
    const made = later(0);
    const task = createTask(made);
    equal([isFuture(task), isFuture(made), isFuture(Promise.resolve())], [true, false, false]);
    equal([isCoroutine(made), isCoroutine(task), isCoroutine([])], [true, false, false]);
    equal([isCoroutineFunction(later), isCoroutineFunction(() => later(0))], [true, false]);
    equal(ensureFuture(task), task);
    yield* task;
  });
});

// ---------------------------------------------------------------- waiting for several

virtual("gather gives results in order, in the time of the slowest", function* () {
  equal(yield* gather(later(2, "a"), later(3, "b"), later(1, "c")), ["a", "b", "c"]);
  equal(now(), 3);
});

virtual("gather fails with the first error, once what it started has been cancelled", function* () {
  const log = [];
  const slow = function* () {
    try {
      yield* sleep(100);
    } finally {
      yield* sleep(1);
      log.push("cancelled");
    }
  };
  const own = createTask(later(20, "left alone"));
  const error = new Error("first");
  equal(yield* raises(gather(slow(), own, failing(5, error))), error);
  equal(log, ["cancelled"]);
  equal(now(), 6);
  equal(yield* own, "left alone");
});

virtual("gather collects errors as results when it is asked to", function* () {
  const error = new Error("second");
  const results = yield* gather([later(1, 1), failing(2, error)], { returnExceptions: true });
  ok(results[1] === error);
  equal(results[0], 1);
});

virtual("race gives the first result and cancels the others", function* () {
  const loser = createTask(sleep(100));
  equal(yield* race(later(5, "fast"), loser), "fast");
  equal([loser.cancelled, now()], [true, 5]);
});

virtual("map bounds how many run at once and keeps the order", function* () {
  let active = 0;
  let most = 0;
  const results = yield* map(
    [3, 1, 2, 4],
    function* (item, index) {
      most = Math.max(most, ++active);
      yield* sleep(item);
      active--;
      return item * 10 + index;
    },
    { concurrency: 2 },
  );
  equal(results, [30, 11, 22, 43]);
  equal(most, 2);
});

virtual("wait tells what is done and what is pending, and cancels nothing", function* () {
  const fast = createTask(later(1));
  const slow = createTask(later(10));
  const first = yield* wait([fast, slow], { returnWhen: "FIRST_COMPLETED" });
  equal([first.done, first.pending], [new Set([fast]), new Set([slow])]);
  equal((yield* wait([slow], { timeout: 2 })).done.size, 0);
  equal((yield* wait([slow])).pending.size, 0);
  equal(now(), 10);
});

virtual("asCompleted gives results as they come", function* () {
  const order = [];
  for (const next of asCompleted([later(3, "c"), later(1, "a"), later(2, "b")])) order.push(yield* next);
  equal(order, ["a", "b", "c"]);
});

virtual("attempt gives an error as a value, and lets a cancellation pass", function* () {
  const error = new Error("no");
  equal(yield* attempt(later(0, 1)), { ok: true, value: 1 });
  const failed = yield* attempt(failing(0, error));
  ok(!failed.ok && failed.error === error);
  const task = createTask(attempt(sleep(100)));
  yield* sleep(0);
  task.cancel();
  yield* raises(task, CancelledError);
});

virtual("retry tries again with growing delays", function* () {
  const times = [];
  const result = yield* retry(
    function* (number) {
      times.push(now());
      if (number < 3) throw new Error("not yet");
      return number;
    },
    { attempts: 5, delay: 100 },
  );
  equal([result, times], [3, [0, 100, 300]]);
});

// ---------------------------------------------------------------- timeouts

virtual("a timeout cancels its block, lets it clean up, and throws a TimeoutError", function* () {
  const log = [];
  const limit = timeout(3_000);
  const block = within(limit, function* () {
    try {
      yield* sleep(5_000);
    } finally {
      log.push(now());
    }
  });
  const error = yield* raises(block, TimeoutError);
  equal([log, limit.expired, error.code], [[3_000], true, "ERR_CORIO_TIMEOUT"]);
  ok(error.message.includes("3000 ms"), error.message);
  equal(currentTask().cancelling, 0);
});

virtual("a timeout that is not reached changes nothing", function* () {
  const limit = timeout(10);
  equal(yield* within(limit, () => later(5, "in time")), "in time");
  equal([limit.expired, now()], [false, 5]);
});

virtual("a timeout can be moved, and set to a point in time", function* () {
  yield* within(timeoutAt(now() + 10), function* (limit) {
    limit.reschedule(now() + 30);
    yield* sleep(20);
    equal(limit.when, 30);
  });
});

virtual("of two nested timeouts the one that is up is told", function* () {
  const outer = timeout(10);
  const inner = timeout(20);
  yield* raises(
    within(outer, inner, () => sleep(100)),
    TimeoutError,
  );
  equal([outer.expired, inner.expired], [true, false]);
});

virtual("waitFor cancels what takes too long", function* () {
  const task = createTask(sleep(100));
  yield* raises(waitFor(task, 10), TimeoutError);
  equal([task.cancelled, now()], [true, 10]);
  equal(yield* waitFor(later(1, "quick"), 10), "quick");
});

// ---------------------------------------------------------------- scopes

virtual("a group waits for its members, also for those that members add", function* () {
  const log = [];
  yield* within(new TaskGroup(), function* (group) {
    group.createTask(function* () {
      yield* sleep(2);
      group.createTask(function* () {
        yield* sleep(3);
        log.push(now());
      });
    });
  });
  equal(log, [5]);
});

virtual("a member that fails cancels the others and the block, and the errors come as a group", function* () {
  const log = [];
  const block = within(new TaskGroup(), function* (group) {
    group.createTask(function* () {
      try {
        yield* sleep(100);
      } finally {
        log.push("member");
      }
    });
    group.createTask(failing(1, new RangeError("one")));
    try {
      yield* sleep(100);
    } finally {
      log.push("block");
    }
  });
  const group = yield* raises(block, ExceptionGroup);
  equal(
    group.errors.map((error) => error.message),
    ["one"],
  );
  equal([log, now()], [["member", "block"], 1]);
});

virtual("a group that cancels itself ends without an error", function* () {
  yield* within(new TaskGroup(), function* (group) {
    group.createTask(sleep(100));
    yield* sleep(1);
    group.cancel();
    yield* sleep(100);
  });
  equal([now(), currentTask().cancelling], [1, 0]);
});

virtual("exceptGroup handles the matching errors and throws the rest", function* () {
  const group = new ExceptionGroup("several", [
    new TypeError("a"),
    new ExceptionGroup("inner", [new TypeError("b"), new RangeError("c")]),
  ]);
  const handled = [];
  const rest = yield* raises(
    exceptGroup(group, TypeError, (some) => {
      handled.push(...some.leaves().map((error) => error.message));
    }),
    ExceptionGroup,
  );
  equal(handled, ["a", "b"]);
  equal(
    rest.leaves().map((error) => error.message),
    ["c"],
  );
});

plain("an exception group splits by class and by test, and keeps its nesting", () => {
  const inner = new ExceptionGroup("inner", [new RangeError("r"), new TypeError("t")]);
  const group = new ExceptionGroup("outer", [inner, new SyntaxError("s")]);
  const [ranges, others] = group.split(RangeError);
  equal(ranges.errors[0].message, "inner");
  equal(
    others.leaves().map((error) => error.message),
    ["t", "s"],
  );
  equal(group.subgroup((error) => error.message === "s").errors.length, 1);
  equal(group.subgroup(EvalError), undefined);
  ok(group instanceof AggregateError);
});

virtual("managers are entered in order and left in reverse, whatever happens", function* () {
  const log = [];
  const manager = contextManager(function* (name) {
    log.push("enter", name);
    try {
      yield name;
    } finally {
      yield* sleep(1);
      log.push("exit", name);
    }
  });
  const error = new Error("of the body");
  const block = within(manager("a"), manager("b"), function* (a, b) {
    log.push(a + b);
    throw error;
  });
  equal(yield* raises(block), error);
  equal(log.join(" "), "enter a enter b ab exit b exit a");
});

virtual("a manager may swallow the error of its block", function* () {
  const forgiving = { enter: () => "value", exit: (error) => error instanceof RangeError };
  equal(yield* within(forgiving, () => failing(0, new RangeError("swallowed"))), undefined);
  yield* raises(
    within(forgiving, () => failing(0, new TypeError("not that"))),
    TypeError,
  );
});

virtual("an exit stack leaves all that it entered", function* () {
  const log = [];
  yield* within(new ExitStack(), function* (stack) {
    for (const name of ["a", "b"])
      yield* stack.enter({ enter: () => log.push(name), exit: () => void log.push(`-${name}`) });
    stack.defer(function* () {
      yield* sleep(1);
      log.push("deferred");
    });
  });
  equal(log, ["a", "b", "deferred", "-b", "-a"]);
});

// ---------------------------------------------------------------- synchronisation

virtual("a lock is had by one at a time, in order", function* () {
  const lock = new Lock();
  const log = [];
  const worker = (name) =>
    within(lock, function* () {
      log.push(`${name} in`);
      yield* sleep(1);
      log.push(`${name} out`);
    });
  yield* gather(worker("a"), worker("b"));
  equal(log, ["a in", "a out", "b in", "b out"]);
  equal(lock.locked, false);
  equal(throws(() => lock.release(), CorioError).code, "ERR_CORIO_NOT_ACQUIRED");
});

virtual("a cancelled wait for a lock leaves it to the next in line", function* () {
  const lock = new Lock();
  yield* lock.acquire();
  const [first, second] = [createTask(lock.acquire()), createTask(lock.acquire())];
  yield* sleep(0);
  equal(lock.waiting, 2);
  lock.release();
  first.cancel();
  equal(yield* second, lock);
  equal(first.cancelled, true);
});

virtual("an event wakes all who wait, and stays set", function* () {
  const event = new Event();
  const waiting = [createTask(event.wait()), createTask(event.wait())];
  yield* sleep(0);
  equal(event.waiting, 2);
  event.set();
  yield* gather(waiting);
  yield* event.wait();
  event.clear();
  equal(event.isSet, false);
});

virtual("a condition gives its lock up while it waits", function* () {
  const condition = new Condition();
  const items = [];
  const consumer = createTask(
    within(condition, function* () {
      yield* condition.waitFor(() => items.length > 0);
      return items.shift();
    }),
  );
  yield* sleep(0);
  yield* within(condition, function* () {
    items.push("item");
    condition.notify();
  });
  equal(yield* consumer, "item");
});

virtual("a semaphore bounds how many are inside", function* () {
  const permits = new Semaphore(2);
  let inside = 0;
  let most = 0;
  const worker = () =>
    within(permits, function* () {
      most = Math.max(most, ++inside);
      yield* sleep(1);
      inside--;
    });
  yield* gather([1, 2, 3, 4, 5].map(worker));
  equal([most, permits.value, now()], [2, 2, 3]);
});

virtual("a bounded semaphore finds a release too many", function* () {
  const permits = new BoundedSemaphore(1);
  yield* permits.acquire();
  permits.release();
  ok(throws(() => permits.release()).code.startsWith("ERR_CORIO_"));
});

virtual("a barrier lets all go when the last one has come", function* () {
  const barrier = new Barrier(3);
  const positions = yield* gather(barrier.wait(), barrier.wait(), barrier.wait());
  equal(positions, [0, 1, 2]);
  const stuck = createTask(barrier.wait());
  yield* sleep(0);
  yield* barrier.abort();
  yield* raises(stuck, BrokenBarrierError);
  equal(barrier.broken, true);
});

// ---------------------------------------------------------------- queues

virtual("a bounded queue makes its producer wait, and join waits for all to be dealt with", function* () {
  const queue = new Queue({ maxSize: 1 });
  const log = [];
  const consumer = createTask(
    forEach(queue, function* (item) {
      yield* sleep(10);
      log.push(item);
      queue.taskDone();
    }),
  );
  for (const item of ["a", "b", "c"]) yield* queue.put(item);
  equal(now(), 10);
  yield* queue.join();
  equal([log, now()], [["a", "b", "c"], 30]);
  queue.shutdown();
  yield* consumer;
});

virtual("a queue says when it is empty, full and shut down", function* () {
  const queue = new Queue({ maxSize: 1 });
  throws(() => queue.getNowait(), QueueEmpty);
  queue.putNowait(1);
  throws(() => queue.putNowait(2), QueueFull);
  queue.shutdown();
  throws(() => queue.putNowait(3), QueueShutDown);
  equal(yield* queue.get(), 1);
  yield* raises(queue.get(), QueueShutDown);
});

virtual("a cancelled get loses no item", function* () {
  const queue = new Queue();
  const [first, second] = [createTask(queue.get()), createTask(queue.get())];
  yield* sleep(0);
  queue.putNowait("item");
  first.cancel();
  equal(yield* second, "item");
});

virtual("queues give what they hold by age, by youth and by priority", function* () {
  const order = (queue) => {
    for (const item of [2, 3, 1]) queue.putNowait(item);
    return [queue.getNowait(), queue.getNowait(), queue.getNowait()];
  };
  equal(order(new Queue()), [2, 3, 1]);
  equal(order(new LifoQueue()), [1, 3, 2]);
  equal(order(new PriorityQueue()), [1, 2, 3]);
  equal(order(new PriorityQueue({ compare: (a, b) => b - a })), [3, 2, 1]);
});

// ---------------------------------------------------------------- promises and AbortSignals

plain("until waits for a promise, and throws what it is rejected with", async () => {
  await run(function* () {
    equal(yield* until(Promise.resolve("value")), "value");
    const error = new Error("rejected");
    equal(yield* raises(until(Promise.reject(error))), error);
  });
});

plain("until with a function aborts its signal when the wait is cancelled", async () => {
  let aborted;
  const request = (signal) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        aborted = signal.reason;
        reject(signal.reason);
      });
    });
  await run(function* () {
    const task = createTask(until(request));
    yield* sleep(1);
    task.cancel("no longer needed");
    yield* raises(task, CancelledError);
  });
  equal(aborted, "no longer needed");
});

plain("a timeout aborts what until started", async () => {
  let aborted = false;
  const never = (signal) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        aborted = true;
        reject(signal.reason);
      });
    });
  await rejects(run(waitingFor()), TimeoutError);
  equal(aborted, true);
  function* waitingFor() {
    yield* within(timeout(2), () => until(never));
  }
});

plain("a promise serves wherever an awaitable does", async () => {
  await run(function* () {
    equal(yield* gather(Promise.resolve(1), later(1, 2)), [1, 2]);
    equal(yield* waitFor(Promise.resolve(3), 100), 3);
    equal(yield* createTask(Promise.resolve(4)), 4);
  });
});

plain("a rejection after the wait was given up is reported", async () => {
  const reported = [];
  await run(function* () {
    getRunningLoop().exceptionHandler = (_, { exception }) => reported.push(exception.message);
    let fail;
    const promise = new Promise((_, reject) => {
      fail = reject;
    });
    yield* raises(waitFor(promise, 1), TimeoutError);
    fail(new Error("too late"));
    yield* sleep(1);
  });
  equal(reported, ["too late"]);
});

// ---------------------------------------------------------------- iteration

const counter = asyncGenerator(function* (count, log) {
  try {
    for (let i = 0; i < count; i++) {
      yield* sleep(1);
      yield i;
    }
  } finally {
    yield* sleep(1);
    log?.push("closed");
  }
});

virtual("an asynchronous generator emits with yield and waits with yield*", function* () {
  const seen = [];
  yield* forEach(counter(3), (item) => void seen.push([item, now()]));
  equal(seen, [
    [0, 1],
    [1, 2],
    [2, 3],
  ]);
});

virtual("an asynchronous generator that is left early is closed", function* () {
  const log = [];
  const found = yield* forEach(counter(10, log), function* (item, stop) {
    if (item === 2) return stop("two");
  });
  equal([found, log], ["two", ["closed"]]);
  yield* within(iterate(counter(10, log)), function* (it) {
    ok(yield* it.next());
    equal(it.value, 0);
  });
  equal(log, ["closed", "closed"]);
});

plain("for await takes asynchronous generators and queues", async () => {
  const log = [];
  const seen = await run(function* () {
    const queue = new Queue();
    for (const item of "xyz") queue.putNowait(item);
    queue.shutdown();
    const numbers = counter(2, log)[Symbol.asyncIterator]();
    const letters = queue[Symbol.asyncIterator]();
    return yield* until(
      (async () => {
        const all = [];
        for await (const item of numbers) all.push(item);
        for await (const item of letters) all.push(item);
        return all;
      })(),
    );
  });
  equal(seen, [0, 1, "x", "y", "z"]);
  equal(log, ["closed"]);
});

plain("native asynchronous iterables are iterated like any other", async () => {
  async function* native() {
    yield 1;
    await Promise.resolve();
    yield 2;
  }
  const seen = [];
  await run(() => forEach(native(), (item) => void seen.push(item)));
  equal(seen, [1, 2]);
});

plain("a run closes the asynchronous generators that were left open", async () => {
  const log = [];
  await run(function* () {
    equal((yield* counter(5, log).next()).value, 0);
  });
  equal(log, ["closed"]);
});

// ---------------------------------------------------------------- context variables

virtual("a task runs in a copy of its creator's context", function* () {
  const user = new ContextVar("user", { default: "nobody" });
  user.set("ada");
  const task = createTask(function* () {
    const inherited = user.get();
    user.set("grace");
    yield* sleep(1);
    return [inherited, user.get()];
  });
  user.set("joan");
  equal(yield* task, ["ada", "grace"]);
  equal(user.get(), "joan");
});

plain("a context variable is reset by its token, once", () => {
  copyContext().run(() => {
    const level = new ContextVar("level");
    equal(throws(() => level.get(), CorioError).code, "ERR_CORIO_CONTEXT_LOOKUP");
    equal(level.get("fallback"), "fallback");
    const token = level.set(1);
    level.set(2);
    level.reset(token);
    equal([token.hasOldValue, new Context().has(level), level.get(0)], [false, false, 0]);
    throws(() => level.reset(token), CorioError);
  });
});

// ---------------------------------------------------------------- coroutine(), errors and introspection

virtual("what coroutine() wraps knows its name, refuses a second await, and recurses deeply", function* () {
  // two names: inside of it, the function* would find itself, unwrapped, under its own
  const depth = coroutine(function* countDown(n) {
    if (n === 0) {
      yield* sleep(1);
      return 0;
    }
    return 1 + (yield* depth(n - 1));
  });
  equal([depth.name, isCoroutineFunction(depth)], ["countDown", true]);
  equal(yield* depth(20_000), 20_000);
  const once = depth(0);
  yield* once;
  equal(throws(() => once[Symbol.iterator](), CorioError).code, "ERR_CORIO_AWAITED_TWICE");
});

plain("a coroutine that was made with coroutine() and never awaited is reported", () => {
  const reports = [];
  const forgotten = coroutine(function* forgotten() {});
  virtually(
    function* () {
      forgotten();
    },
    { reports },
  );
  ok(
    reports.some(([text]) => text.includes("'forgotten' was never awaited")),
    String(reports),
  );
});

plain("an error that nobody retrieved is reported when the run ends", () => {
  const reports = [];
  virtually(
    function* () {
      createTask(failing(1, new Error("nobody looks")), { name: "lonely" });
      yield* sleep(2);
    },
    { reports },
  );
  equal(reports.length, 1);
  ok(reports[0][0].includes("lonely"), reports[0][0]);
  equal(reports[0][1].message, "nobody looks");
});

plain("debug mode reports a slow callback, and a cancellation that was swallowed", async () => {
  const reports = [];
  const loopFactory = () => {
    const loop = new EventLoop({ debug: true });
    loop.reporter = { error: (text) => reports.push(text), warn: (text) => reports.push(text) };
    loop.slowCallbackDuration = 5;
    return loop;
  };
  await run(
    function* () {
      const task = createTask(
        function* () {
          for (const start = performance.now(); performance.now() - start < 8; );
          try {
            yield* sleep(100);
          } catch {
            return "swallowed";
          }
        },
        { name: "careless" },
      );
      yield* sleep(1);
      task.cancel();
      yield* task;
    },
    { loopFactory },
  );
  ok(
    reports.some((text) => /careless.* took \d+(\.\d+)? ms/.test(text)),
    String(reports),
  );
  ok(
    reports.some(
      (text) => text.includes("careless was cancelled and ended normally") || /careless.*swallowed/.test(text),
    ),
    String(reports),
  );
});

virtual("the call graph tells who waits for whom", function* () {
  const inner = createTask(sleep(1), { name: "inner" });
  const outer = createTask(inner, { name: "outer" });
  yield* sleep(0);
  equal(
    captureCallGraph(inner).awaitedBy.map(({ future }) => future),
    [outer],
  );
  ok(/inner[^]*outer/.test(formatCallGraph(inner)));
  yield* outer;
});

plain("errors of corio have classes, names and codes", () => {
  const error = throws(() => getRunningLoop(), NoRunningLoopError);
  equal([error.name, error.code], ["NoRunningLoopError", "ERR_CORIO_NO_RUNNING_LOOP"]);
  ok(error instanceof CorioError && error instanceof Error);
  equal(new CancelledError("why").reason, "why");
  equal(throws(() => sleep(Number.NaN), RangeError).code, "ERR_CORIO_MILLISECONDS");
});
