import { createTask, LifoQueue, PriorityQueue, Queue, QueueEmpty, QueueFull, QueueShutDown, type Task } from "corio";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runCleanly, turns } from "../support/run-cleanly.js";

// A queue, and a plain model of it, are given the same commands. After each command everything that is ready has run, so the
// model need not know of iterations: a waiting one is either served or still waits.

type Command =
  | { type: "put"; item: number }
  | { type: "putNowait"; item: number }
  | { type: "get" }
  | { type: "getNowait" }
  | { type: "taskDone" }
  | { type: "join" }
  | { type: "cancel"; which: number }
  | { type: "shutdown"; immediate: boolean };

const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant("put" as const), item: fc.nat(9) }) },
    { weight: 4, arbitrary: fc.record({ type: fc.constant("get" as const) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant("putNowait" as const), item: fc.nat(9) }) },
    {
      weight: 2,
      arbitrary: fc.record({ type: fc.constantFrom("getNowait" as const, "taskDone" as const, "join" as const) }),
    },
    { weight: 3, arbitrary: fc.record({ type: fc.constant("cancel" as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("shutdown" as const), immediate: fc.boolean() }) },
  ),
  { maxLength: 40 },
);

/** What became of a call: `undefined` while it waits. */
type Outcome = string | undefined;

interface Waiting {
  readonly call: number;
  readonly item: number;
}

class Model {
  readonly items: number[] = [];
  readonly getters: Waiting[] = [];
  readonly putters: Waiting[] = [];
  readonly joiners: Waiting[] = [];
  readonly outcomes: Outcome[] = [];
  unfinished = 0;
  shutDown = false;

  constructor(
    readonly maxSize: number,
    readonly take: (items: number[]) => number,
  ) {}

  get full(): boolean {
    return this.maxSize > 0 && this.items.length >= this.maxSize;
  }

  run(command: Command): void {
    const call = this.outcomes.push(undefined) - 1;
    const end = (outcome: Outcome): void => void (this.outcomes[call] = outcome);
    switch (command.type) {
      case "put":
      case "putNowait":
        if (this.shutDown) end("QueueShutDown");
        else if (!this.full) {
          this.items.push(command.item);
          this.unfinished++;
          end("put");
        } else if (command.type === "putNowait") end("QueueFull");
        else this.putters.push({ call, item: command.item });
        break;
      case "get":
      case "getNowait":
        if (this.items.length > 0) end(`got ${this.take(this.items)}`);
        else if (this.shutDown) end("QueueShutDown");
        else if (command.type === "getNowait") end("QueueEmpty");
        else this.getters.push({ call, item: 0 });
        break;
      case "taskDone":
        end(this.unfinished === 0 ? "RangeError" : "done");
        if (this.unfinished > 0) this.unfinished--;
        break;
      case "join":
        this.joiners.push({ call, item: 0 });
        break;
      case "cancel":
        this.#cancel(command.which);
        end("cancel");
        break;
      case "shutdown":
        this.shutDown = true;
        if (command.immediate) {
          this.unfinished = Math.max(0, this.unfinished - this.items.length);
          this.items.length = 0;
        }
        end("shut down");
        break;
    }
    this.#settle();
  }

  /** Which of the calls that wait is cancelled: the same numbering as in the real run. */
  #cancel(which: number): void {
    const waiting = this.outcomes.flatMap((outcome, call) => (outcome === undefined ? [call] : []));
    // the cancel command itself is in the list, as the last
    waiting.pop();
    if (waiting.length === 0) return;
    const call = waiting[which % waiting.length] as number;
    this.outcomes[call] = "cancelled";
    for (const line of [this.getters, this.putters, this.joiners]) {
      const at = line.findIndex((entry) => entry.call === call);
      if (at >= 0) line.splice(at, 1);
    }
  }

  #settle(): void {
    for (;;) {
      const [getter] = this.getters;
      const [putter] = this.putters;
      if (getter !== undefined && (this.items.length > 0 || this.shutDown)) {
        this.getters.shift();
        this.outcomes[getter.call] = this.items.length > 0 ? `got ${this.take(this.items)}` : "QueueShutDown";
      } else if (putter !== undefined && (!this.full || this.shutDown)) {
        this.putters.shift();
        if (this.shutDown) this.outcomes[putter.call] = "QueueShutDown";
        else {
          this.items.push(putter.item);
          this.unfinished++;
          this.outcomes[putter.call] = "put";
        }
      } else break;
    }
    if (this.unfinished === 0) for (const { call } of this.joiners.splice(0)) this.outcomes[call] = "joined";
  }
}

describe.each<[string, (maxSize: number) => Queue<number>, (items: number[]) => number]>([
  ["Queue", (maxSize) => new Queue({ maxSize }), (items) => items.shift() as number],
  ["LifoQueue", (maxSize) => new LifoQueue({ maxSize }), (items) => items.pop() as number],
  [
    "PriorityQueue",
    (maxSize) => new PriorityQueue({ maxSize }),
    (items) => items.splice(items.indexOf(Math.min(...items)), 1)[0] as number,
  ],
])("%s", (_, make, take) => {
  test("does what its model does, whatever it is told", () => {
    fc.assert(
      fc.property(fc.nat(3), commands, (maxSize, program) => {
        runCleanly(function* () {
          const queue = make(maxSize);
          const model = new Model(maxSize, take);
          const calls: (Task<unknown> | string)[] = [];
          for (const command of program) {
            calls.push(execute(queue, command, calls));
            model.run(command);
            yield* turns(6);
            expect(calls.map(outcomeOf)).toEqual(model.outcomes);
            expect([queue.size, queue.full, queue.getters, queue.putters]).toEqual([
              model.items.length,
              model.full,
              model.getters.length,
              model.putters.length,
            ]);
          }
          for (const call of calls) if (typeof call !== "string") call.cancel();
          yield* turns();
          for (const call of calls) if (typeof call !== "string" && !call.cancelled) call.exception();
          expect([queue.getters, queue.putters]).toEqual([0, 0]);
        });
      }),
      { numRuns: 400 },
    );
  });
});

function execute(queue: Queue<number>, command: Command, calls: (Task<unknown> | string)[]): Task<unknown> | string {
  switch (command.type) {
    case "put":
      return createTask(queue.put(command.item), { name: "put" });
    case "get":
      return createTask(queue.get(), { name: "got" });
    case "join":
      return createTask(queue.join(), { name: "joined" });
    case "cancel": {
      const waiting = calls.filter((call): call is Task<unknown> => typeof call !== "string" && !call.done);
      if (waiting.length > 0) waiting[command.which % waiting.length]?.cancel();
      return "cancel";
    }
    case "shutdown":
      queue.shutdown(command.immediate);
      return "shut down";
    case "putNowait":
      return attempted(() => (queue.putNowait(command.item), "put"));
    case "getNowait":
      return attempted(() => `got ${queue.getNowait()}`);
    case "taskDone":
      return attempted(() => (queue.taskDone(), "done"));
  }
}

function attempted(call: () => string): string {
  try {
    return call();
  } catch (error) {
    return nameOf(error);
  }
}

function outcomeOf(call: Task<unknown> | string): Outcome {
  if (typeof call === "string") return call;
  if (!call.done) return undefined;
  if (call.cancelled) return "cancelled";
  const error = call.exception();
  if (error !== undefined) return nameOf(error);
  return call.name === "got" ? `got ${String(call.result())}` : call.name;
}

function nameOf(error: unknown): string {
  const known = error instanceof QueueEmpty || error instanceof QueueFull || error instanceof QueueShutDown;
  if (known || error instanceof RangeError) return error.name;
  throw error;
}
