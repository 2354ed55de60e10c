import { allTasks, type Coroutine, currentTask, type EventLoop, type Future, type Task } from "corio";

/** Cancels every other task of a loop, waits for their ends, and ends asynchronous generators and the default executor. */
export function* cleanUp(loop: EventLoop): Coroutine<void> {
  const tasks = [...allTasks(loop)].filter((task) => task !== currentTask());
  for (const task of tasks) task.cancel();
  for (const task of tasks) yield* endOf(task);
  yield* loop.shutdownAsyncGenerators();
  yield* loop.shutdownDefaultExecutor();
}

/** Waits for the end of a task without taking its error from those whom it concerns. */
function endOf(task: Task<unknown>): Future<void> {
  const end = task.loop.createFuture<void>();
  task.addDoneCallback(() => {
    if (!end.done) end.setResult();
  });
  return end;
}
