// running
export { run, type RunOptions } from "./run/run.js";
export { Runner, type RunnerOptions } from "./run/runner.js";
export { getRunningLoop } from "./scheduling/running.js";
// the loop and what it stands on
export { EventLoop, type ExceptionContext, type ExceptionHandler, type Reporter } from "./loop/event-loop.js";
export type { Executor } from "./loop/executor.js";
export type { Handle, TimerHandle } from "./scheduling/handle.js";
export type { Ready, ReadyQueue } from "./scheduling/ready-queue.js";
export type { AsyncContextRunner, Host } from "./hosts/host.js";
export { NodeHost } from "./hosts/node.js";
export { BrowserHost } from "./hosts/browser.js";
export { ManualHost } from "./hosts/manual.js";
// coroutines, futures, tasks
export {
  type Awaitable,
  type Coroutine,
  isCoroutine,
  isCoroutineFunction,
  type Main,
  type Suspended,
  type Suspension,
} from "./tasks/coroutine.js";
export { coroutine } from "./tasks/coroutine-function.js";
export { Future, isFuture } from "./tasks/future.js";
export { Task, type TaskOptions } from "./tasks/task.js";
export type { AbortSignalLike } from "./tasks/abort-signal.js";
export { createEagerTaskFactory, eagerTaskFactory, type TaskConstructor, type TaskFactory } from "./tasks/eager.js";
export { allTasks, createTask, currentTask, ensureFuture } from "./loop/ensure-future.js";
// waiting
export { sleep } from "./waiting/sleep.js";
export { gather, type GatherOptions, type Results, type ResultsOrErrors } from "./waiting/gather.js";
export { shield } from "./waiting/shield.js";
export { waitFor } from "./waiting/wait-for.js";
export { race } from "./waiting/race.js";
export { type ReturnWhen, wait, type WaitOptions } from "./waiting/wait.js";
export { AsCompleted, asCompleted } from "./waiting/as-completed.js";
export { type Attempt, attempt } from "./waiting/attempt.js";
export { retry, type RetryOptions } from "./waiting/retry.js";
export { type Signal, until } from "./waiting/until.js";
// scopes
export { within } from "./scopes/within.js";
export type { Enterable, Entered, Manager, Swallows } from "./scopes/manager.js";
export { ExitStack } from "./scopes/exit-stack.js";
export { type ContextManager, contextManager } from "./scopes/context-manager.js";
export { Timeout, timeout, timeoutAt } from "./scopes/timeout.js";
export { TaskGroup } from "./scopes/task-group.js";
// iteration
export { AsyncGenerator, asyncGenerator } from "./iteration/async-generator.js";
export { iterate, Iteration } from "./iteration/iterate.js";
export { type ClosableCursor, type Cursor, type CursorSource, makeCursor, type Source } from "./iteration/cursor.js";
export { forEach, Stop } from "./iteration/for-each.js";
export { map } from "./iteration/map.js";
// synchronisation and queues
export { Lock } from "./sync/lock.js";
export { Event } from "./sync/event.js";
export { Condition } from "./sync/condition.js";
export { BoundedSemaphore, Semaphore } from "./sync/semaphore.js";
export { Barrier, type BarrierState } from "./sync/barrier.js";
export { Queue, type QueueOptions, type QueueStore } from "./queues/queue.js";
export { type Compare, PriorityQueue, type PriorityQueueOptions } from "./queues/priority-queue.js";
export { LifoQueue } from "./queues/lifo-queue.js";
// context variables
export { Context, copyContext } from "./context/context.js";
export { ContextVar, Token } from "./context/context-var.js";
// introspection
export { attachDiagnostics } from "./diagnostics/attach.js"; // attaches them when it is loaded
export { allTimers } from "./introspection/all-timers.js";
export { describeWait, waitsForPromise } from "./diagnostics/describe-wait.js";
export { formatTasks } from "./diagnostics/format-tasks.js";
export { describeReady } from "./diagnostics/describe-ready.js";
export { nextDeadline } from "./introspection/next-deadline.js";
export { type CallGraph, captureCallGraph, formatCallGraph, printCallGraph } from "./introspection/call-graph.js";
// errors
export { CorioError } from "./errors/corio-error.js";
export { CancelledError, isCancelled } from "./errors/cancelled-error.js";
export { TimeoutError } from "./errors/timeout-error.js";
export { BrokenBarrierError, DeadlockError, InvalidStateError, NoRunningLoopError } from "./errors/state-errors.js";
export { QueueEmpty, QueueFull, QueueShutDown } from "./errors/queue-errors.js";
export { IncompleteReadError, LimitOverrunError } from "./errors/stream-errors.js";
export { ExceptionGroup, exceptGroup } from "./errors/exception-group.js";
