import type { Timer } from "../scheduling/timers.js";
import type { Task } from "../tasks/task.js";
import { blockersOf, describeWaitAt, listed } from "./describe-wait.js";

/**
 * Tasks as a block of lines: of each its name and what it waits for ({@link describeWait}), where it waits
 * (`task.getStack()`), and in debug mode where it was created. At the end stand the circles: tasks of which each waits for the
 * next one, because that one has a lock, is a member of a gather or a group, or is itself waited for. Who waits for the first of
 * several is in none. Of tasks that are entangled in several ways at least one circle is shown.
 *
 * @param tasks such as `allTasks()`
 * @returns lines, indented only for what belongs to the task above; an empty text without tasks
 * @example
 * console.log(formatTasks(allTasks()));
 */
export function formatTasks(tasks: Iterable<Task<unknown>>): string {
  const times = new Map<Timer, number>();
  const lines = new Map<Task<unknown>, string>();
  const lineOf = (task: Task<unknown>): string => {
    const line = lines.get(task) ?? `${task.name} ${describeWaitAt(task, times)}`;
    lines.set(task, line);
    return line;
  };
  const all = [...tasks];
  const blocks = all.map((task) => {
    const { origin } = task;
    return [lineOf(task), ...task.getStack(), ...(origin === undefined ? [] : [`created ${origin}`])].join("\n    ");
  });
  const circles = circlesAmong(all).map((circle) => {
    const names = listed(circle.map(({ name }) => name));
    return `${names} ${circle.length > 1 ? "wait for each other" : "waits for itself"}: ${circle.map(lineOf).join("; ")}`;
  });
  return [...blocks, ...circles].join("\n");
}

/**
 * The circles that a search in depth finds: it goes from each task to its blockers, and one that it meets again while it is still
 * on the path there closes a circle. It passes every task once, so it finds at least one circle of each knot.
 */
function circlesAmong(tasks: readonly Task<unknown>[]): Task<unknown>[][] {
  const circles: Task<unknown>[][] = [];
  const path: Task<unknown>[] = [];
  // where in the path a task is; -1 once it was left
  const places = new Map<Task<unknown>, number>();
  for (const root of tasks) {
    // no recursion: chains of tasks may be long. `undefined` leaves the last of the path
    const todo: (Task<unknown> | undefined)[] = [root];
    while (todo.length > 0) {
      const task = todo.pop();
      if (task === undefined) {
        places.set(path.pop() as Task<unknown>, -1);
        continue;
      }
      const place = places.get(task);
      if (place === undefined) {
        places.set(task, path.length);
        path.push(task);
        todo.push(undefined);
        for (const blocker of blockersOf(task).toReversed()) todo.push(blocker);
      } else if (place >= 0) circles.push(path.slice(place));
    }
  }
  return circles;
}
