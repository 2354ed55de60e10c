import { explore, waitAllTasksBlocked } from "@corio/testing";
import { createTask, Queue } from "corio";
import { test } from "vitest";
test("blocked", () => {
    try { console.log(explore(function* () {
      const queue = new Queue<number>();
      const task = createTask(queue.get());
      yield* waitAllTasksBlocked();
      if (queue.getters !== 1) throw new Error("no");
      queue.putNoWait(1);
      yield* task;
    })); } catch (e) { console.log((e as Error).message); }
});
