import { createTask, describeReady, EventLoop, ManualHost, type Ready, type ReadyQueue, sleep } from "corio";
import { expect, test } from "vitest";

/** Notes what became ready. */
class Noting implements ReadyQueue {
  readonly noted: string[] = [];
  readonly #entries: Ready[] = [];

  get length(): number {
    return this.#entries.length;
  }

  push(entry: Ready): void {
    this.noted.push(describeReady(entry));
    this.#entries.push(entry);
  }

  shift(): Ready {
    return this.#entries.shift() as Ready;
  }

  clear(): void {
    this.#entries.length = 0;
  }
}

test("every kind of entry has a name", () => {
  const queue = new Noting();
  const host = new ManualHost();
  const loop = new EventLoop({ host, readyQueue: queue });
  function onSoon(): void {}
  function onDone(): void {}
  function onTime(): void {}
  const future = loop.start(
    (function* main() {
      loop.callSoon(onSoon);
      loop.callSoon(() => {}).cancel();
      loop.callLater(5, onTime);
      const task = createTask(sleep(10), { name: "sleeper" });
      task.addDoneCallback(onDone);
      yield* task;
    })(),
  );
  while (!future.done && host.step());
  expect(queue.noted).toEqual([
    expect.stringMatching(/^Task-\d+$/), // main
    "callback onSoon",
    "callback (anonymous)",
    "sleeper",
    "callback onTime",
    "end of sleeper's sleep",
    "sleeper",
    "callback onDone",
    expect.stringMatching(/^Task-\d+$/),
    "callback #done", // what stops the loop
  ]);
  loop.close();
});
