import { createTask, run, sleep, until, wait } from "corio";

const forever = new Promise(() => {});

function* waiter() {
  yield* until(forever);
}

/** @param {number} n @param {() => void} lookAtTheHeap */
export const cancelWaits = (n, lookAtTheHeap) =>
  run(function* () {
    let cancelled = 0;
    for (let i = 0; i < n; i++) {
      const task = createTask(waiter());
      yield* sleep(0);
      task.cancel();
      yield* wait([task]);
      if (task.cancelled) cancelled++;
    }
    yield* sleep(10);
    lookAtTheHeap();
    return cancelled;
  });
