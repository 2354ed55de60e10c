/** What a coroutine can ask: which task it runs in, which others there are, and which loop runs them. */
import { allTasks, createTask, currentTask, gather, getRunningLoop, sleep } from "corio";

function* visit() {
  console.log(`this is ${currentTask().name}`);
  yield* sleep(1_000);
}

function printTasks() {
  console.log("tasks:", [...allTasks()].map((task) => task.name).join(", "));
}

export function* main() {
  currentTask().name = "main";
  const visitors = ["A", "B", "C"].map((name) => createTask(visit(), { name }));
  printTasks();
  yield* gather(visitors);
  printTasks();

  const loop = getRunningLoop();
  console.log("the loop is running:", loop.running);
  console.log("it runs this task:", currentTask().loop === loop);
}
