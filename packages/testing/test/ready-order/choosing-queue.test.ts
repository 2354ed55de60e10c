import { type Coroutine, EventLoop, type Ready, Task } from "corio";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ChoosingQueue } from "../../src/ready-order/choosing-queue.js";
import { VirtualHost } from "../../src/virtual-time/virtual-host.js";

// Entries by name: upper-case ones are tasks, digits are callbacks.
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

  test("whatever is pushed and chosen, does what a plain model of it does, loses nothing, and keeps callbacks in order", () => {
    const commands = fc.array(
      fc.oneof(
        fc.record({ type: fc.constant("push" as const), isTask: fc.boolean() }),
        fc.record({ type: fc.constant("shift" as const), lot: fc.nat(1_000) }),
      ),
      { maxLength: 100 },
    );
    fc.assert(
      fc.property(commands, (program) => {
        let lot = 0;
        const queue = new ChoosingQueue(({ alternatives }) => lot % alternatives);
        let model: string[] = [];
        const ran: string[] = [];
        let count = 0;
        for (const command of program) {
          if (command.type === "push") {
            const name = `${command.isTask ? "T" : "c"}${++count}`;
            model.push(name);
            queue.push(entryOf(name, command.isTask));
          } else if (model.length > 0) {
            ({ lot } = command);
            const offered = offeredOf(model);
            expect([queue.alternatives, queue.list().map(nameOf)]).toEqual([offered.length, offered]);
            const chosen = offered[lot % offered.length] as string;
            model = modelAfter(model, chosen);
            ran.push(nameOf(queue.shift()));
            expect(ran.at(-1)).toBe(chosen);
          }
          expect(queue.length).toBe(model.length);
        }
        lot = 0;
        while (queue.length > 0) ran.push(nameOf(queue.shift()));
        const numbers = ran.map((name) => Number(name.slice(1)));
        expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
        const callbacks = numbers.filter((_, i) => ran[i]?.startsWith("c"));
        expect(callbacks).toEqual(callbacks.toSorted((a, b) => a - b));
      }),
      { numRuns: 500 },
    );
  });
});

/** All tasks, and the first callback. */
function offeredOf(model: string[]): string[] {
  const first = model.find(isCallback);
  return model.filter((name) => name === first || !isCallback(name));
}

/** Takes out what was chosen; what stood before it and was offered goes to the end, and with a callback all callbacks. */
function modelAfter(model: string[], chosen: string): string[] {
  const offered = offeredOf(model);
  const before = offered.slice(0, offered.indexOf(chosen));
  const withCallbacks = before.some(isCallback);
  const moves = (name: string): boolean => before.includes(name) || (withCallbacks && isCallback(name));
  const rest = model.filter((name) => name !== chosen);
  return [...rest.filter((name) => !moves(name)), ...rest.filter(moves)];
}

function isCallback(name: string): boolean {
  return name.startsWith("c");
}

/** A queue in which these were pushed, and that makes these choices, then takes what is first. */
function filled(entries: string, choices: number[]): ChoosingQueue {
  const left = [...choices];
  const queue = new ChoosingQueue(() => left.shift() ?? 0);
  fill(queue, entries);
  return queue;
}

function fill(queue: ChoosingQueue, entries: string): void {
  for (const name of entries) queue.push(entryOf(name, /[A-Z]/.test(name)));
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

function entryOf(name: string, isTask: boolean): Ready {
  const entry = isTask ? new Task(nothing(), { loop }) : loop.callSoon(() => {});
  names.set(entry, name);
  return entry;
}

function* nothing(): Coroutine<void> {}
