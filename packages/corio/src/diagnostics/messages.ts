import { isCoroutine } from "../tasks/coroutine.js";
import { Future } from "../tasks/future.js";
import { describe } from "./describe.js";
import { nameOf } from "./inspect.js";

/**
 * What the errors say: the wrong use, and what to write instead. The key is the error's code without `ERR_CORIO_`, and after
 * a dot the case where one code has several; the arguments are what the place of the error knows.
 */
export const MESSAGES = {
  ADVANCE: (ms: number) => `a clock moves forwards: advance(ms) takes 0 or more, not ${ms}`,
  ASYNC_GENERATOR: (fn: unknown) =>
    `asyncGenerator takes a function*, not ${describe(fn)}: asyncGenerator(function* () {…})`,
  AS_COMPLETED: () => "asCompleted expects an iterable of awaitables, not a single one: asCompleted([main()])",
  AWAITED_TWICE: (name: string | number) =>
    `cannot reuse already awaited coroutine${name && ` ${name}`}: call its function again, or share one run with createTask(…)`,
  AWAITS_ITSELF: (name: string | number) => `Task cannot await on itself: ${name}`,
  BAD_YIELD: badYield,
  BARRIER_PARTIES: (parties: unknown) => `Barrier parties must be >= 1, not ${describe(parties)}`,
  BROKEN_BARRIER: () => "the barrier is broken: call `yield* barrier.reset()` before it is used again",
  CALLBACK: (method: string | number, callback: unknown) =>
    `${method}() takes a callable object (a function), not ${describe(callback)}: ${method}(() => …)`,
  "CALLBACK.done": (fn: unknown) => `addDoneCallback() takes a function, not ${describe(fn)}`,
  CALL_GRAPH: (future: unknown) => `captureCallGraph takes a future or a task, not ${describe(future)}`,
  COMPARE: () => "compare is a function (a, b) => number, as for Array.prototype.sort",
  CONCURRENCY: (concurrency: unknown) => `concurrency is 1 or more, not ${describe(concurrency)}`,
  CONDITION_LOCK: () => "new Condition(lock) takes a Lock, or nothing",
  CONTEXT: () => "the option `context` takes a Context: copyContext() makes one",
  CONTEXT_ENTERED: () => "cannot enter context: it is already entered; run `context.copy()` instead",
  CONTEXT_MANAGER: (fn: unknown) =>
    `contextManager takes a function*, not ${describe(fn)}: contextManager(function* () {…})`,
  CONTEXT_VAR: () => 'a context variable has a name: new ContextVar("user")',
  COROUTINE_CALLBACK: (method: string | number, name: string | number) =>
    `coroutines cannot be used with ${method}(): the call would make one that nothing runs. Write createTask(${name})`,
  CYCLE: () => "the main task returned itself: a run cannot wait for its own end",
  EMPTY_GROUP: () => "an ExceptionGroup needs at least one error: new ExceptionGroup(text, [error])",
  ENTERED_TWICE: (name: string | number) => `${name} was entered before: call its function again for each block`,
  EXCEPTION_HANDLER: () => "A callable object or undefined is expected as exceptionHandler: (loop, context) => void",
  EXECUTOR_FUNCTION: () => "coroutines cannot be used with runInExecutor(): it takes an ordinary function",
  EXIT_STACK: (cleanup: unknown) => `a stack defers a function, not ${describe(cleanup)}`,
  EXIT_STACK_LEFT: () => "this ExitStack was left already: make a new one",
  FOR_EACH: (body: unknown) => `forEach takes a function, not ${describe(body)}: forEach(source, function* (item) {…})`,
  GATHER_ARGUMENTS: () => "gather takes awaitables one by one, or gather([…], { returnExceptions })",
  GENERATOR_IGNORED_CLOSE: () => "an asynchronous generator emitted a value while it was being closed",
  GENERATOR_RUNNING: () => "this asynchronous generator is running already: wait for its previous next() first",
  GROUP_CONDITION: () => "split and subgroup take a class of errors or a function (error) => boolean",
  INSIDE_LOOP: () =>
    "Cannot run the event loop while another loop is running: in a coroutine write `yield* main()`, or createTask(main)",
  INVALID_STATE: (future: unknown) =>
    future instanceof Future
      ? `invalid state: the future is ${future.cancelled ? "cancelled" : "done"} already; test \`future.done\` first`
      : "the operation is not allowed in this state",
  "INVALID_STATE.exception": () => "Exception is not set: wait for the future with yield*",
  "INVALID_STATE.result": () => "Result is not set: wait for the future with yield*",
  ITERATE: (source: unknown) =>
    `iterate takes an iterable, not ${describe(source)}${isCoroutine(source) ? ": await the coroutine first" : ""}`,
  ITERATED: () =>
    "await wasn't used with future (in a coroutine that is `yield*`): write `const x = yield* future`, or " +
    "`const [x] = yield* future`; `[...future]`, `for (… of future)` and `const [x] = future` do not wait",
  LOOP_CLOSED: () => "Event loop is closed: it runs nothing any more; run(main) makes a new one each time",
  "LOOP_CLOSED.then": () => "the event loop was closed before this future was done",
  LOOP_RUNNING: () => "This event loop is already running: await what it runs, or createTask(…)",
  "LOOP_RUNNING.close": () => "Cannot close a running event loop: stop() it, and close it when its run has ended",
  LOOP_STOPPED: () => "Event loop stopped before Future completed.",
  MANAGER: (manager: unknown) =>
    `within takes context managers: objects with enter() and exit(error), Disposables; not ${describe(manager)}` +
    (isCoroutine(manager) ? ". Await what makes the manager first: within(yield* open(), …)" : ""),
  MAP: (fn: unknown) => `map takes a function, not ${describe(fn)}: map(items, (item) => work(item))`,
  MILLISECONDS: (call: string | number, value: unknown) => `${call} takes milliseconds, not ${describe(value)}`,
  "MILLISECONDS.nan": (call: string | number) => `Invalid delay: NaN (not a number) in ${call}`,
  "MILLISECONDS.null": (call: string | number, ms: unknown) =>
    `${call} takes milliseconds, or null for no limit, not ${describe(ms)}`,
  NOT_ACQUIRED: () => "Lock is not acquired: release() goes with an acquire()",
  "NOT_ACQUIRED.notify": () => "cannot notify on un-acquired lock: acquire the condition first",
  "NOT_ACQUIRED.wait": () => "cannot wait on un-acquired lock: acquire the condition first",
  NOT_AWAITABLE: (call: string | number, value: unknown) =>
    `${call}: a coroutine, a future or a promise (an awaitable) is required, got ${describe(value)}` +
    (typeof value === "function" ? "; call it first" : ""),
  NOT_COROUTINE: (call: string | number, value: unknown) =>
    `${call}: a coroutine was expected, got ${describe(value)}${remedyFor(value)}`,
  NOT_COROUTINE_FUNCTION: (fn: unknown) =>
    `coroutine() takes a function*, not ${describe(fn)}: coroutine(function* name() {…})`,
  NO_EXCEPTION: () => "setException(undefined): give it the error that it ends with",
  NO_EXECUTOR: () =>
    'there is no default executor: the core has no threads. `import { ThreadPoolExecutor } from "@corio/node"` and give ' +
    "it as the first argument, or set loop.defaultExecutor",
  NO_RUNNING_LOOP: () =>
    "no running event loop here: call this from a coroutine that run(main) drives. In a callback of the host (a timer, an event " +
    "listener) keep the loop first: `const loop = getRunningLoop()`, then `loop.createTask(…)` or `{ loop }`",
  OTHER_LOOP: (future: unknown) =>
    `Task got Future attached to a different loop (${nameOf(future as Future<unknown>)}): wait for it there, or take its ` +
    "promise across: yield* until(future.then())",
  "OTHER_LOOP.argument": () => "The future belongs to a different loop than the one specified as the loop argument",
  "OTHER_LOOP.bound": (name: string | number) =>
    `this ${name} is bound to a different event loop: make one for each run`,
  OUTSIDE_TASK: (what: string | number) =>
    `${what} should be used inside a task: in a coroutine that run() or createTask() drives`,
  QUEUE_EMPTY: () => "the queue is empty: `yield* queue.get()` waits for an item",
  QUEUE_FULL: () => "the queue is full: `yield* queue.put(item)` waits for room",
  QUEUE_OPTIONS: (options: string | number) => `write new Queue({ maxSize: ${options} })`,
  QUEUE_SHUT_DOWN: () => "the queue was shut down",
  QUEUE_SIZE: (maxSize: unknown) => `maxSize is a number, not ${describe(maxSize)}`,
  RACE_EMPTY: () => "race() needs at least one awaitable: race(a(), b())",
  RELEASED_TOO_OFTEN: () => "BoundedSemaphore released too many times: release() goes with an acquire()",
  RETRY: (make: unknown) =>
    `retry takes a function that makes a coroutine for each attempt, not ${describe(make)}: retry(() => main())`,
  RETRY_ATTEMPTS: (attempts: unknown) => `attempts is 1 or more, not ${describe(attempts)}`,
  RETRY_DELAY: () => "delay and maxDelay are milliseconds, and with factor 0 or more",
  RETRY_JITTER: (jitter: unknown) => `jitter is 0 to 1, not ${describe(jitter)}`,
  RETURN_WHEN: (value: string | number) => `Invalid returnWhen value: ${value}`,
  RUNNER_CLOSED: () => "Runner is closed: make a new one",
  SEMAPHORE_VALUE: (value: unknown) => `Semaphore initial value must be >= 0, not ${describe(value)}`,
  STACK_OVERFLOW: () =>
    "the chain of yield* overflowed the stack: make the recursion a loop, or wrap the function with coroutine(), which runs " +
    "every few levels on a stack of its own (inside, call the wrapped function: the function*'s own name is the bare one)",
  TASK_CLASS: () => "createEagerTaskFactory() takes a subclass of Task, or a function that makes the task",
  TASK_DONE: () => "taskDone() called too many times: call it once for each item that was taken",
  TASK_FACTORY: () => "task factory must be a callable or undefined: (loop, coroutine, options) => task",
  TASK_GROUP_STATE: (state: string | number) =>
    `this TaskGroup ${state}: create its tasks inside within(new TaskGroup(), …)`,
  "TASK_GROUP_STATE.created": () => "this TaskGroup has not been entered",
  "TASK_GROUP_STATE.entered": () => "this TaskGroup has already been entered: make one for each block",
  TASK_SET: () => "Task does not support setResult operation: its coroutine returns the result",
  "TASK_SET.exception": () => "Task does not support setException operation: its coroutine throws the error",
  THROWN_UNDEFINED: () => "a coroutine threw undefined: throw an Error, which says what went wrong",
  "THROWN_UNDEFINED.block": () => "undefined was thrown",
  TIMEOUT_STATE: (state: string | number) =>
    state === "created" ? "Timeout has not been entered" : `Cannot change state of ${state} Timeout`,
  "TIMEOUT_STATE.entered": () => "Timeout has already been entered: make one for each block",
  TOKEN: () => "reset takes the token that set returned",
  TOKEN_CONTEXT: (name: string | number) => `the token of ${name} was created in a different Context`,
  TOKEN_USED: (name: string | number) => `the token of ${name} has already been used once`,
  TOKEN_VARIABLE: (name: string | number) => `the token was created by a different ContextVar, ${name}`,
  TURN_BUDGET: (turnBudget: unknown) => `turnBudget is in milliseconds, 0 or more, not ${describe(turnBudget)}`,
  TWO_COPIES: (other: string, own: string) =>
    `this belongs to a second copy of corio: ${other}, while this one is ${own}. Let both parts of the program resolve ` +
    "to one (npm dedupe, or corio as a peer dependency)",
  WAIT_EMPTY: () => "Set of Tasks/Futures is empty: wait() needs at least one",
  WAIT_FUTURES: () => "wait() expects a list of futures: wait([task1, task2])",
  "WAIT_FUTURES.coroutine": () => "wait() expects a list of futures, not a coroutine: wait([createTask(main)])",
  "WAIT_FUTURES.member": () =>
    "Passing coroutines is forbidden, use tasks explicitly: wait([createTask(main)]); of a promise make `until(promise)`",

  WITHIN: (body: unknown) =>
    `within takes managers and then a function, not ${describe(body)}: within(lock, function* () {…})`,
  YIELDED_NOTHING: (name: string | number) =>
    `${name} ended without a yield: \`yield value\` marks where the block runs`,
  YIELDED_TWICE: (name: string | number) => `${name} yielded a second time: what comes after its yield only cleans up`,
};

function remedyFor(value: unknown): string {
  if (describe(value) === "a promise") {
    return "; `until(promise)` makes a future of a promise, and a coroutine function is written function*, not async";
  }
  return typeof value === "function"
    ? "; it takes a `function*`, or what calling one gives"
    : ": write function* main() { … } and give it main or main()";
}

function badYield(value: unknown): string {
  const kind = describe(value);
  if (value instanceof Future) return "yield was used instead of yield* with a future: write `yield* …`";
  if (kind === "a promise") return "Task got bad yield: a promise. Write `yield* until(promise)`";
  if (isCoroutine(value)) return "yield was used instead of yield* with a coroutine: write `yield* …`";
  return `Task got bad yield: ${kind}. A coroutine waits with \`yield* awaitable\``;
}
