import { createTask, run, sleep, wait } from "corio";

const { signal } = new AbortController();

function* waiter() {
  yield* sleep(60_000);
}

/** @param {number} n @param {() => void} lookAtTheHeap */
export const cancelWaits = (n, lookAtTheHeap) =>
  run(function* () {
    let cancelled = 0;
    for (let i = 0; i < n; i++) {
      const task = createTask(waiter(), { signal });
      yield* sleep(0);
      task.cancel();
      yield* wait([task]);
      if (task.cancelled) cancelled++;
    }
    yield* sleep(10);
    lookAtTheHeap();
    return cancelled;
  });
