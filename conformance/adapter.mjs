// The only file that knows corio's names. It maps the core's exports to the small, stable interface that bridge.mjs uses, so that a
// change of the core's API is a change here and nowhere else.
//
// Conventions of the interface: times are milliseconds; nothing is converted (values travel as they are); what throws in the core throws here.

// What the adapter needs: what a core must export, and what its classes must have. `node run.mjs --check` prints what is missing.
const NEEDED = {
  functions: [
    "getRunningLoop",
    "ensureFuture",
    "currentTask",
    "allTasks",
    "eagerTaskFactory",
    "createEagerTaskFactory",
    "sleep",
    "gather",
    "wait",
    "waitFor",
    "asCompleted",
    "shield",
    "timeout",
    "timeoutAt",
    "copyContext",
  ],
  classes: {
    EventLoop: [
      "time",
      "callSoon",
      "callSoonThreadsafe",
      "callLater",
      "callAt",
      "createFuture",
      "createTask",
      "start",
      "runForever",
      "stop",
      "close",
      "runInExecutor",
      "shutdownAsyncGenerators",
      "shutdownDefaultExecutor",
      "callExceptionHandler",
      "defaultExceptionHandler",
      "running",
      "closed",
      "debug",
      "taskFactory",
      "exceptionHandler",
    ],
    Future: [
      "done",
      "cancelled",
      "loop",
      "result",
      "exception",
      "setResult",
      "setException",
      "cancel",
      "addDoneCallback",
      "removeDoneCallback",
      "then",
    ],
    Task: ["name", "coroutine", "context", "cancelling", "uncancel"],
    Lock: ["locked", "acquire", "release", "enter", "exit"],
    Event: ["isSet", "set", "clear", "wait"],
    Condition: ["locked", "acquire", "release", "wait", "waitFor", "notify", "notifyAll", "enter", "exit"],
    Semaphore: ["locked", "acquire", "release", "enter", "exit"],
    BoundedSemaphore: ["release"],
    Barrier: ["wait", "reset", "abort", "parties", "waiting", "broken", "enter", "exit"],
    Queue: ["get", "put", "getNowait", "putNowait", "join", "taskDone", "shutdown", "size", "empty", "full", "maxSize"],
    PriorityQueue: [],
    LifoQueue: [],
    TaskGroup: ["enter", "exit", "createTask", "cancel"],
    Runner: ["loop", "_start", "_startClosing"],
    ContextVar: ["get", "set", "reset"],
    Context: ["run", "copy", "get", "has", "keys"],
    CancelledError: [],
    TimeoutError: [],
    InvalidStateError: [],
    NoRunningLoopError: [],
    QueueEmpty: [],
    QueueFull: [],
    QueueShutDown: [],
    BrokenBarrierError: [],
    ExceptionGroup: [],
  },
};

// fields that every object has of its own, so that its prototype does not show them
const OWN_FIELDS = new Set(["Future.loop", "Task.coroutine", "Task.context"]);

export function missing(core) {
  const out = NEEDED.functions.filter((n) => typeof core[n] !== "function");
  for (const [name, members] of Object.entries(NEEDED.classes)) {
    if (typeof core[name] !== "function") {
      out.push(name);
      continue;
    }
    for (const m of members)
      if (!OWN_FIELDS.has(`${name}.${m}`) && !(m in core[name].prototype)) out.push(`${name}.${m}`);
  }
  return out;
}

// the futures in a wait-queue, for the tests that look at CPython's deque of waiters
function waitersOf(queue) {
  const waiters = [];
  for (let waiter = queue._first; waiter !== undefined; waiter = waiter._after) waiters.push(waiter);
  return waiters;
}

export function makeAdapter(core) {
  const c = core;
  const has = (name) => c[name] !== undefined;
  const read = (object, name) => (typeof object[name] === "function" ? object[name]() : object[name]); // a property, or a getter method
  const inContext = (context) => (context === undefined ? undefined : { context });

  // ---- errors: [kind, class], most specific first. The kinds are the Python names.
  const errorClasses = [
    ["CancelledError", c.CancelledError],
    ["TimeoutError", c.TimeoutError],
    ["InvalidStateError", c.InvalidStateError],
    ["QueueEmpty", c.QueueEmpty],
    ["QueueFull", c.QueueFull],
    ["QueueShutDown", c.QueueShutDown],
    ["BrokenBarrierError", c.BrokenBarrierError],
    ["ExceptionGroup", c.ExceptionGroup],
  ].filter(([, cls]) => cls !== undefined);
  // error codes whose Python counterpart is neither RuntimeError nor told by the JavaScript class
  const codeKinds = { ERR_CORIO_CONTEXT_LOOKUP: "LookupError" };
  // texts that differ by design: error code -> the text CPython uses
  const codeTexts = {
    ERR_CORIO_NOT_AWAITABLE: (text) => text.replace("(an awaitable) is required", "(an awaitable is required)"),
    ERR_CORIO_OTHER_LOOP: (text) =>
      text.replace("Task got Future attached", "Task <Task> got Future <Future> attached"),
    ERR_CORIO_INSIDE_LOOP: (text) => `${text} (Runner.run() cannot be called from a running event loop)`,
    ERR_CORIO_OUTSIDE_TASK: (text) => `${text} (TaskGroup: cannot determine the parent task)`,
    ERR_CORIO_TASK_SET: (text) => text.replace("setResult", "set_result").replace("setException", "set_exception"),
  };

  const adapter = {
    errorKind(error) {
      for (const [kind, cls] of errorClasses) if (error instanceof cls) return kind;
      if (error?.code in codeKinds) return codeKinds[error.code];
      if (error instanceof TypeError) return "TypeError";
      if (error instanceof RangeError) return "ValueError";
      return "RuntimeError";
    },
    errorMessage(error) {
      const text = String(error?.message ?? error).replace(/\bundefined\b/g, "None");
      return codeTexts[error?.code]?.(text) ?? text;
    },
    errorReason: (error) => error?.reason, // what a cancellation was given, raw
    errorCode: (error) => error?.code,
    errorCause: (error) => error?.cause,
    groupErrors: (group) => [...group.errors],
    makeError(kind, message) {
      const entry = errorClasses.find(([k]) => k === kind);
      if (entry === undefined || kind === "ExceptionGroup") return undefined;
      return message === undefined ? new entry[1]() : new entry[1](message);
    },

    // ---- kinds of objects
    isTask: (x) => x instanceof c.Task,
    isFuture: (x) => x instanceof c.Future,
    isLoop: (x) => x instanceof c.EventLoop,
    isContext: (x) => x instanceof c.Context,

    // ---- loop
    newLoop(host, hooks) {
      class BridgedLoop extends c.EventLoop {
        defaultExceptionHandler(context) {
          hooks.defaultExceptionHandler(this, context);
        }
        shutdownAsyncGenerators() {
          return hooks.override(this, "shutdown_asyncgens") ?? super.shutdownAsyncGenerators();
        }
        shutdownDefaultExecutor(...args) {
          return hooks.override(this, "shutdown_default_executor") ?? super.shutdownDefaultExecutor(...args);
        }
        close() {
          if (hooks.override(this, "close", true) == null) super.close();
        }
        callExceptionHandler(context) {
          if (!hooks.overrideHandler(this, context)) super.callExceptionHandler(context);
        }
        _addTimer(when, timer) {
          hooks.timer?.(when);
          super._addTimer(when, timer);
        }
      }
      const loop = new BridgedLoop({ host });
      const settled = (fn) => {
        const future = loop.createFuture();
        try {
          future.setResult(fn());
        } catch (error) {
          future.setException(error);
        }
        return future;
      };
      // the core has no threads of its own: the tests' functions for an executor run at once
      loop.defaultExecutor = { submit: (fn, ...args) => settled(() => fn(...args)), shutdown: () => settled(() => {}) };
      return loop;
    },
    time: (loop) => loop.time(),
    callSoon: (loop, fn, context) =>
      context !== undefined && loop.callSoonIn ? loop.callSoonIn(context, fn) : loop.callSoon(fn, inContext(context)),
    callSoonThreadsafe: (loop, fn, context) =>
      context !== undefined && loop.callSoonIn
        ? loop.callSoonIn(context, fn)
        : loop.callSoonThreadsafe(fn, inContext(context)),
    callLater: (loop, ms, fn, context) =>
      context !== undefined && loop.callLaterIn
        ? loop.callLaterIn(context, ms, fn)
        : loop.callLater(ms, fn, inContext(context)),
    callAt: (loop, when, fn, context) =>
      context !== undefined && loop.callAtIn
        ? loop.callAtIn(context, when, fn)
        : loop.callAt(when, fn, inContext(context)),
    handleCancel: (handle) => handle.cancel(),
    handleCancelled: (handle) => handle.cancelled,
    handleWhen: (handle) => handle.when,
    stop: (loop) => loop.stop(),
    close: (loop) => c.EventLoop.prototype.close.call(loop),
    running: (loop) => loop.running,
    closed: (loop) => loop.closed,
    getDebug: (loop) => loop.debug,
    setDebug: (loop, on) => {
      loop.debug = on;
    },
    getSlowCallbackDuration: (loop) => loop.slowCallbackDuration,
    setSlowCallbackDuration: (loop, ms) => {
      loop.slowCallbackDuration = ms;
    },
    getTaskFactory: (loop) => loop.taskFactory,
    setTaskFactory: (loop, factory) => {
      loop.taskFactory = factory;
    },
    getExceptionHandler: (loop) => loop.exceptionHandler,
    setExceptionHandler: (loop, handler) => {
      loop.exceptionHandler = handler;
    },
    callExceptionHandler: (loop, context) => c.EventLoop.prototype.callExceptionHandler.call(loop, context),
    start: (loop, awaitable) => loop.start(awaitable),
    runForever: (loop) => void loop.runForever(), // its end shows in `running`
    shutdownAsyncGenerators: (loop) => c.EventLoop.prototype.shutdownAsyncGenerators.call(loop),
    shutdownDefaultExecutor: (loop, ms) => c.EventLoop.prototype.shutdownDefaultExecutor.call(loop, ms),
    runInExecutor: (loop, executor, fn) => loop.runInExecutor(executor, fn),
    getRunningLoop: () => c.getRunningLoop(),
    runningLoopOrUndefined() {
      if (c._getRunningLoop) return c._getRunningLoop();
      try {
        return c.getRunningLoop();
      } catch (error) {
        if (error instanceof c.NoRunningLoopError) return undefined;
        throw error;
      }
    },

    // ---- futures and tasks
    newFuture: (loop) => new c.Future(loop === undefined ? undefined : { loop }),
    newTask: (coroutine, options) => new c.Task(coroutine, options),
    createTask: (loop, coroutine, options) => loop.createTask(coroutine, options),
    iterate: (awaitable) => awaitable[Symbol.iterator](),
    done: (future) => future.done,
    cancelled: (future) => future.cancelled,
    loopOf: (future) => future.loop,
    result: (future) => future.result(),
    exception: (future) => future.exception(),
    setResult: (future, value) => future.setResult(value),
    setException: (future, error) => future.setException(error),
    cancel: (future, message) => (message === undefined ? future.cancel() : future.cancel(message)),
    addDoneCallback: (future, fn, context) =>
      future.addDoneCallback(fn, context === undefined ? undefined : { context }),
    removeDoneCallback: (future, fn) => future.removeDoneCallback(fn),
    taskName: (task) => task.name,
    setTaskName: (task, name) => {
      task.name = name;
    },
    taskCoroutine: (task) => task.coroutine,
    taskContext: (task) => task.context,
    cancelling: (task) => read(task, "cancelling"),
    uncancel: (task) => task.uncancel(),
    currentTask: (loop) => c.currentTask(loop ?? c.getRunningLoop()),
    allTasks: (loop) => [...(loop === undefined ? c.allTasks() : c.allTasks(loop))],
    ensureFuture: (awaitable, loop) => c.ensureFuture(awaitable, loop === undefined ? undefined : { loop }),
    eagerTaskFactory: c.eagerTaskFactory,
    createEagerTaskFactory: (fn) => c.createEagerTaskFactory(fn),
    // white-box views that the contract does not name: undefined where the core has none
    waitingFor: (task) => task.waitingFor ?? task._waiter,
    mustCancel: (task) => task.cancelPending ?? task._mustCancel,
    callbackCount: (future) =>
      future._callbacks === undefined
        ? "_callbacks" in future
          ? 0
          : undefined
        : Array.isArray(future._callbacks)
          ? future._callbacks.length
          : 1,
    cancelMessage: (future) => future.cancelReason ?? future._cancelMessage,
    awaitedBy(future) {
      const awaitedBy = future.awaitedBy ?? future._awaitedBy;
      if (awaitedBy !== undefined) return [...awaitedBy];
      const graph = has("captureCallGraph") ? c.captureCallGraph(future) : undefined;
      return (graph?.awaitedBy ?? []).map((g) => g.future);
    },

    // ---- waiting
    sleep: (ms, result) => c.sleep(ms, result),
    // cancelOnError: false is CPython's way; the core's own default is decision 8 of the design
    gather: (list, returnExceptions) => c.gather(list, { returnExceptions, cancelOnError: false }),
    wait: (list, ms, returnWhen) => c.wait(list, { ...(ms === undefined ? {} : { timeout: ms }), returnWhen }),
    waitResult: ({ done, pending }) => ({ done: [...done], pending: [...pending] }),
    waitFor: (awaitable, ms) => c.waitFor(awaitable, ms === undefined ? null : ms),
    asCompleted: (list, ms) => c.asCompleted(list, ms === undefined ? undefined : { timeout: ms }),
    asCompletedNext(it) {
      const r = it.next();
      return r.done ? undefined : r.value;
    },
    asCompletedTake: (it) => it.takeFuture(),
    shield: (awaitable) => c.shield(awaitable),
    timeout: (ms) => c.timeout(ms === undefined ? null : ms),
    timeoutAt: (when) => c.timeoutAt(when === undefined ? null : when),
    timeoutWhen: (t) => read(t, "when") ?? undefined,
    timeoutReschedule: (t, when) => t.reschedule(when === undefined ? null : when),
    timeoutExpired: (t) => t.expired,
    enter: (manager) => manager.enter(),
    exit: (manager, error) => manager.exit(error),
    newTaskGroup: () => new c.TaskGroup(),
    groupCreateTask: (group, coroutine, options) => group.createTask(coroutine, options),
    groupCancel: (group) => group.cancel(),

    // ---- synchronisation
    newLock: () => new c.Lock(),
    newEvent: () => new c.Event(),
    newCondition: (lock) => new c.Condition(lock),
    newSemaphore: (value) => new c.Semaphore(value),
    newBoundedSemaphore: (value) => new c.BoundedSemaphore(value),
    newBarrier: (parties) => new c.Barrier(parties),
    locked: (lock) => lock.locked,
    acquire: (lock) => lock.acquire(),
    release: (lock) => lock.release(),
    eventIsSet: (event) => event.isSet,
    eventSet: (event) => event.set(),
    eventClear: (event) => event.clear(),
    syncWait: (x) => x.wait(),
    conditionWaitFor: (condition, predicate) => condition.waitFor(predicate),
    conditionNotify: (condition, n) => condition.notify(n),
    conditionNotifyAll: (condition) => condition.notifyAll(),
    barrierReset: (barrier) => barrier.reset(),
    barrierAbort: (barrier) => barrier.abort(),
    barrierParties: (barrier) => barrier.parties,
    barrierWaiting: (barrier) => barrier.waiting,
    barrierBroken: (barrier) => barrier.broken,
    // introspection that the contract does not name (yet): undefined where the core has none
    barrierState: (barrier) => barrier.state ?? barrier._state,
    barrierCount: (barrier) => barrier.count ?? barrier._count,
    waiters: (x) =>
      x._queue !== undefined
        ? waitersOf(x._queue)
        : typeof x.waiting === "number"
          ? Array.from({ length: x.waiting })
          : x._waiters === undefined
            ? undefined
            : [...x._waiters],
    waiterCount: (x) => x.waiting ?? x._waiters?.length ?? x._waiters?.size,
    semaphoreValue: (s) => s.value ?? s._value,

    // ---- queues
    newQueue: (kind, maxSize, compare) => new c[kind]({ maxSize, ...(compare === undefined ? {} : { compare }) }),
    queueGet: (q) => q.get(),
    queuePut: (q, item) => q.put(item),
    queueGetNowait: (q) => q.getNowait(),
    queuePutNowait: (q, item) => q.putNowait(item),
    queueJoin: (q) => q.join(),
    queueTaskDone: (q) => q.taskDone(),
    queueShutdown: (q, immediate) => q.shutdown(immediate),
    queueWaiters: (q, side) => (typeof q[side] === "number" ? Array.from({ length: q[side] }) : [...q[`_${side}`]]), // white-box
    queueSize: (q) => q.size,
    queueEmpty: (q) => q.empty,
    queueFull: (q) => q.full,
    queueMaxSize: (q) => q.maxSize,

    // ---- runner
    newRunner: (options) => new c.Runner(options),
    runnerLoop: (runner) => runner.loop,
    // what run() and close() make their promises of: the tool looks at futures
    runnerStart: (runner, main, context) => runner._start(main, inContext(context) ?? {}),
    runnerStartClosing: (runner) => runner._startClosing(),

    // ---- context variables
    newContext: () => new c.Context(),
    copyContext: () => c.copyContext(),
    contextRun: (context, fn) => context.run(fn),
    contextCopy: (context) => context.copy(),
    contextGet: (context, variable) => context.get(variable),
    contextHas: (context, variable) => context.has(variable),
    contextKeys: (context) => [...context.keys()],
    newContextVar: (name, options) => new c.ContextVar(name, options),
    contextVarGet: (variable, ...fallback) => variable.get(...fallback),
    contextVarSet: (variable, value) => variable.set(value),
    // the shape of a token is not in the contract
    tokenHasOldValue: (token) =>
      token.hasOldValue ?? (token.oldValue !== undefined && typeof token.oldValue !== "symbol"),
    tokenOldValue: (token) => token.oldValue,
    contextVarReset: (variable, token) => variable.reset(token),
  };
  return adapter;
}
