import { explore } from "@corio/testing";
import {
  type Coroutine,
  createTask,
  Event,
  EventLoop,
  Future,
  getRunningLoop,
  Lock,
  type Ready,
  sleep,
  Task,
  wait,
  within,
} from "corio";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ChoosingQueue } from "../../src/ready-order/choosing-queue.js";
import { VirtualHost } from "../../src/virtual-time/virtual-host.js";

// Entries by name: upper-case letters are tasks, lower-case ones tasks that waited for a future, digits are callbacks.
let loop: EventLoop;
let names: Map<Ready, string>;

beforeEach(() => {
  loop = new EventLoop({ host: new VirtualHost() });
  names = new Map();
});

afterEach(() => loop.close());

describe("ChoosingQueue", () => {
  test("is first in, first out as long as the first alternative is chosen", () => {
    expect(drain(filled("A12B", []))).toBe("A12B");
  });

  test("offers every task, and of the callbacks the first", () => {
    const queue = filled("A1B2C", []);
    expect([queue.alternatives, namesOf(queue.list()), queue.length]).toEqual([4, "A1BC", 5]);
  });

  test("what is passed over goes to the end, in its order", () => {
    expect(drain(filled("ABCDE", [2]))).toBe("CDEAB");
  });

  test("a callback that is passed over takes those behind it along", () => {
    expect(drain(filled("1A2B", [1]))).toBe("AB12");
  });

  test("a callback that is not passed over stays where it is", () => {
    expect(drain(filled("A1B2", [1]))).toBe("1B2A");
  });

  test("a callback may go before the tasks in front of it", () => {
    expect(drain(filled("AB1", [2]))).toBe("1AB");
  });

  test("asks for a choice once for each entry, also where there is only one", () => {
    const asked: number[] = [];
    const queue = new ChoosingQueue(({ alternatives }) => {
      asked.push(alternatives);
      return 0;
    });
    fill(queue, "A12");
    drain(queue);
    expect(asked).toEqual([2, 1, 1]);
  });

  test("is empty after clear, and goes on from there", () => {
    const queue = filled("A12", []);
    queue.clear();
    expect([queue.length, queue.alternatives]).toEqual([0, 0]);
    fill(queue, "3B");
    expect([queue.alternatives, namesOf(queue.list())]).toEqual([2, "3B"]);
    expect(drain(queue)).toBe("3B");
  });

  test("a task that waited does not pass the callbacks that became ready just before it", () => {
    // lower-case ones are tasks that waited
    expect(namesOf(filled("1a2bC", []).list())).toBe("1C");
    expect(namesOf(filled("a1bC", []).list())).toBe("a1C");
    // so it stays behind them, also where they are passed over
    expect(drain(filled("1aC", [1]))).toBe("C1a");
  });

  test("it passes those of another step", () => {
    const queue = filled("A1", []);
    queue.shift();
    fill(queue, "b2c");
    expect(namesOf(queue.list())).toBe("1b");
    queue.shift();
    queue.shift();
    fill(queue, "d");
    expect(namesOf(queue.list())).toBe("2d");
  });

  test("whatever is pushed and chosen, does what a plain model of it does, loses nothing, and keeps callbacks in order", () => {
    const commands = fc.array(
      fc.oneof(
        fc.record({ type: fc.constant("push" as const), kind: fc.constantFrom("task", "woken", "callback") }),
        fc.record({ type: fc.constant("shift" as const), lot: fc.nat(1_000) }),
      ),
      { maxLength: 100 },
    );
    fc.assert(
      fc.property(commands, (program) => {
        let lot = 0;
        const queue = new ChoosingQueue(({ alternatives }) => lot % alternatives);
        let model: Modelled[] = [];
        const ran: string[] = [];
        const callbacks: string[] = [];
        let pushed = 0;
        for (const command of program) {
          if (command.type === "push") {
            const { kind } = command;
            const name = `${kind} ${pushed}`;
            model.push({ name, kind, order: pushed++, step: ran.length });
            queue.push(entryOf(name, kind));
          } else if (model.length > 0) {
            ({ lot } = command);
            const offered = offeredOf(model);
            expect([queue.alternatives, queue.list().map(nameOf)]).toEqual([
              offered.length,
              offered.map(({ name }) => name),
            ]);
            const chosen = offered[lot % offered.length] as Modelled;
            model = modelAfter(model, chosen);
            ran.push(nameOf(queue.shift()));
            expect(ran.at(-1)).toBe(chosen.name);
          }
          expect(queue.length).toBe(model.length);
        }
        lot = 0;
        while (queue.length > 0) ran.push(nameOf(queue.shift()));
        const numbers = ran.map((name) => Number(name.split(" ")[1]));
        expect(numbers.toSorted((x, y) => x - y)).toEqual(Array.from({ length: pushed }, (_, i) => i));
        callbacks.push(...ran.filter((name) => name.startsWith("callback")));
        expect(callbacks).toEqual(callbacks.toSorted((x, y) => Number(x.slice(9)) - Number(y.slice(9))));
      }),
      { numRuns: 500 },
    );
  });
});

describe("explore keeps to what asyncio guarantees", () => {
  test("callbacks of callSoon run in order, wherever they come from", () => {
    explore(
      function* () {
        const loop = getRunningLoop();
        const log: number[] = [];
        let next = 0;
        function* caller(): Coroutine<void> {
          for (let i = 0; i < 3; i++) {
            const n = next++;
            loop.callSoon(() => log.push(n));
            yield* sleep(0);
          }
        }
        yield* wait([createTask(caller()), createTask(caller())]);
        yield* sleep(1);
        expect(log).toEqual([0, 1, 2, 3, 4, 5]);
      },
      { schedules: 2_000 },
    );
  });

  test("timers come in order of their times, and of one time in the order in which they were set", () => {
    for (const slowTasks of [false, true]) {
      explore(
        function* () {
          const loop = getRunningLoop();
          const log: string[] = [];
          const start = loop.time();
          for (const [name, ms] of [
            ["c", 20],
            ["a", 10],
            ["d", 20],
            ["b", 10],
          ] as const) {
            loop.callAt(start + ms, () => log.push(name));
          }
          function* busy(): Coroutine<void> {
            for (let i = 0; i < 3; i++) yield* sleep(0);
          }
          yield* wait([createTask(busy()), createTask(sleep(10)), createTask(busy())]);
          yield* sleep(30);
          expect(log).toEqual(["a", "b", "c", "d"]);
        },
        { schedules: 1_000, slowTasks },
      );
    }
  });

  test("the callbacks of a future run in the order in which they were added, and before who waited for it later", () => {
    const orders = new Set<string>();
    explore(
      function* () {
        const log: string[] = [];
        const future = new Future<void>();
        const waits = (name: string): Task<void> =>
          createTask(function* (): Coroutine<void> {
            yield* future;
            log.push(name);
          });
        future.addDoneCallback(() => log.push("1"));
        const tasks = [waits("a"), waits("b")];
        yield* sleep(1);
        future.addDoneCallback(() => log.push("2"));
        future.setResult();
        yield* wait(tasks);
        yield* sleep(1);
        orders.add(log.join(""));
      },
      { schedules: 500 },
    );
    expect([...orders].toSorted()).toEqual(["12ab", "12ba", "1a2b", "1ab2", "1b2a", "1ba2"]);
  });

  test("a task's callback runs before who waits for the task", () => {
    const { exhaustive } = explore(function* () {
      const running = new Set<unknown>();
      const task = createTask(sleep(0));
      const other = createTask(sleep(0));
      running.add(task);
      task.addDoneCallback(() => running.delete(task));
      yield* task;
      expect(running.size).toBe(0);
      yield* other;
    });
    expect(exhaustive).toBe(true);
  });

  test("who asked for a lock first has it first", () => {
    const { exhaustive } = explore(
      function* () {
        const lock = new Lock();
        const asked: string[] = [];
        const had: string[] = [];
        function* worker(name: string): Coroutine<void> {
          asked.push(name);
          yield* within(lock, function* () {
            had.push(name);
            yield* sleep(0);
          });
        }
        yield* wait(["a", "b", "c"].map((name) => createTask(worker(name))));
        expect(had).toEqual(asked);
      },
      { schedules: 100_000 },
    );
    expect(exhaustive).toBe(true);
  });

  test("time does not pass while anything can run", () => {
    explore(
      function* () {
        const loop = getRunningLoop();
        function* busy(): Coroutine<void> {
          for (let i = 0; i < 3; i++) {
            yield* sleep(0);
            expect(loop.time()).toBe(0);
          }
        }
        yield* wait([createTask(sleep(1)), createTask(busy()), createTask(busy())]);
      },
      { schedules: 1_000 },
    );
  });
});

describe("explore runs in any order", () => {
  test.each<[string, () => (name: string) => Coroutine<unknown>]>([
    ["tasks that were made at once", () => () => nothing()],
    [
      "tasks that wait for the same future",
      () => {
        const future = new Future<void>();
        getRunningLoop().callLater(1, () => future.setResult());
        return () => waitFor(future);
      },
    ],
    [
      "tasks that wait for the same event",
      () => {
        const event = new Event();
        getRunningLoop().callLater(1, () => event.set());
        return () => event.wait();
      },
    ],
    ["tasks that sleep for the same time", () => () => sleep(10)],
    ["tasks whose time comes at once, though they set out at different times", () => (name) => sleepsToTen(name)],
    [
      "tasks that are all cancelled",
      () => {
        const future = new Future<void>();
        getRunningLoop().callLater(1, () => future.cancel());
        return () => until(future);
      },
    ],
  ])("%s", (_, make) => {
    const orders = new Set<string>();
    const { exhaustive } = explore(
      function* () {
        const body = make();
        let order = "";
        const tasks = ["a", "b", "c"].map((name) =>
          createTask(function* (): Coroutine<void> {
            yield* body(name);
            order += name;
          }),
        );
        yield* wait(tasks);
        orders.add(order);
      },
      { schedules: 20_000 },
    );
    expect([...orders].toSorted()).toEqual(["abc", "acb", "bac", "bca", "cab", "cba"]);
    expect(exhaustive).toBe(true);
  });

  test("a task and a callback that became ready in different steps", () => {
    const orders = new Set<string>();
    explore(function* () {
      const [event, loop] = [new Event(), getRunningLoop()];
      let order = "";
      const waiter = createTask(function* (): Coroutine<void> {
        yield* event.wait();
        order += "t";
      });
      yield* sleep(0);
      loop.callSoon(() => (order += "c"));
      yield* sleep(0);
      event.set();
      yield* waiter;
      yield* sleep(1);
      orders.add(order);
    });
    expect([...orders].toSorted()).toEqual(["ct", "tc"]);
  });

  function* waitFor(future: Future<void>): Coroutine<void> {
    yield* future;
  }

  function* until(future: Future<void>): Coroutine<void> {
    try {
      yield* future;
    } catch {
      // it was cancelled
    }
  }

  function* sleepsToTen(name: string): Coroutine<void> {
    const first = { a: 2, b: 5, c: 8 }[name] as number;
    yield* sleep(first);
    yield* sleep(10 - first);
  }
});

interface Modelled {
  readonly name: string;
  readonly kind: string;
  /** Its place among all that were pushed. */
  readonly order: number;
  /** How many had run when it was pushed. */
  readonly step: number;
}

/** The first callback, and the tasks, but for those that waited and became ready just after a callback. */
function offeredOf(model: Modelled[]): Modelled[] {
  const callbacks = model.filter(isCallback);
  return model.filter((entry) => {
    if (isCallback(entry)) return entry === callbacks[0];
    return entry.kind === "task" || !callbacks.some(({ step, order }) => step === entry.step && order < entry.order);
  });
}

/**
 * Takes out what was chosen; what stood before it and was offered goes to the end, and with a callback all that was not offered:
 * the other callbacks, and the tasks that stay behind one.
 */
function modelAfter(model: Modelled[], chosen: Modelled): Modelled[] {
  const offered = offeredOf(model);
  const before = offered.slice(0, offered.indexOf(chosen));
  const withCallbacks = before.some(isCallback);
  const moves = (entry: Modelled): boolean => before.includes(entry) || (withCallbacks && !offered.includes(entry));
  const rest = model.filter((entry) => entry !== chosen);
  return [...rest.filter((entry) => !moves(entry)), ...rest.filter(moves)];
}

function isCallback({ kind }: Modelled): boolean {
  return kind === "callback";
}

/** A queue in which these were pushed, and that makes these choices, then takes what is first. */
function filled(entries: string, choices: number[]): ChoosingQueue {
  const left = [...choices];
  const queue = new ChoosingQueue(() => left.shift() ?? 0);
  fill(queue, entries);
  return queue;
}

function fill(queue: ChoosingQueue, entries: string): void {
  for (const name of entries)
    queue.push(entryOf(name, /[A-Z]/.test(name) ? "task" : /[a-z]/.test(name) ? "woken" : "callback"));
}

function drain(queue: ChoosingQueue): string {
  const ran: Ready[] = [];
  while (queue.length > 0) ran.push(queue.shift());
  return namesOf(ran);
}

function namesOf(entries: Ready[]): string {
  return entries.map(nameOf).join("");
}

function nameOf(entry: Ready): string {
  return names.get(entry) as string;
}

function entryOf(name: string, kind: string): Ready {
  const entry = kind === "callback" ? loop.callSoon(() => {}) : new Task(nothing(), { loop });
  if (kind === "woken") Object.defineProperty(entry, "waitingFor", { value: new Future({ loop }) });
  names.set(entry, name);
  return entry;
}

function* nothing(): Coroutine<void> {}
