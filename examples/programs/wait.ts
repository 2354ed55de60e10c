/** Waiting for the first, for the first error, and for all. `wait` throws nothing and cancels nothing: it tells who is done. */
import { createTask, sleep, type Task, wait } from "corio";

function* work(name: string, seconds: number) {
  yield* sleep(seconds * 1_000);
  if (name === "C") throw new Error(`${name} failed`);
  return `${name} is fine`;
}

function print(what: string, { done, pending }: { done: Set<Task<string>>; pending: Set<Task<string>> }) {
  const outcomes = [...done].map((task) => task.exception() ?? task.result());
  const names = [...pending].map((task) => task.name);
  console.log(`${what}: ${outcomes.join(", ") || "nothing"}; pending: ${names.join(", ") || "nothing"}`);
}

export function* main() {
  const tasks = ["A", "B", "C", "D", "E"].map((name, i) => createTask(work(name, i + 1), { name }));

  const first = yield* wait(tasks, { returnWhen: "FIRST_COMPLETED" });
  print("the first", first);

  const firstError = yield* wait(first.pending, { returnWhen: "FIRST_EXCEPTION" });
  print("the first error", firstError);

  const soon = yield* wait(firstError.pending, { timeout: 500 });
  print("within half a second", soon);

  const all = yield* wait(soon.pending);
  print("all", all);
}
