import {
  attempt,
  Barrier,
  CancelledError,
  Condition,
  type Coroutine,
  createTask,
  currentTask,
  DeadlockError,
  Event,
  EventLoop,
  ExceptionGroup,
  gather,
  isCancelled,
  Lock,
  ManualHost,
  Queue,
  race,
  run,
  Semaphore,
  shield,
  sleep,
  type Task,
  TaskGroup,
  TimeoutError,
  timeout,
  waitFor,
  within,
} from "corio";
import { heldBy } from "../support/internals.js";
import { drainPromises } from "../support/virtual-loop.js";

/** A program as data. */
export type Body = readonly Step[];

type Step =
  | { do: "sleep"; ms: number }
  | { do: "cancel" | "await"; which: number }
  | { do: "throw" | "put" | "get" | "putNowait" | "getNowait" }
  | { do: "setEvent" | "clearEvent" | "waitEvent" | "waitCondition" | "notify" | "barrier" }
  | { do: "spawn" | "permit" | "attempt" | "shield"; body: Body }
  | { do: "lock"; which: number; body: Body }
  | { do: "timeout" | "waitFor" | "finally"; ms: number; body: Body }
  | { do: "group"; bodies: readonly Body[]; body: Body }
  | { do: "gather"; bodies: readonly Body[]; returnExceptions: boolean }
  | { do: "race"; bodies: readonly Body[] };

/** What is left after a run; everything but `settled` and `permits` says "none" when all is well. */
export interface Outcome {
  settled: boolean;
  tasksNotDone: string[];
  /** Errors that were neither caught by the program nor reported, or reported twice, or both. */
  unaccounted: string[];
  /** What came up that the program did not throw. */
  unexpected: string[];
  clockWentBack: boolean;
  /** Whoever entered a lock before one that had come earlier. */
  outOfOrder: string[];
  locked: boolean[];
  waiting: number;
  permits: number;
  itemsMissing: number;
  timersLeft: number;
  callbacksLeft: number;
  alarmsLeft: number;
  unretrievedLeft: number;
}

/** An error of the program, and what became of it. */
class Thrown extends Error {
  caught = 0;
  reported = 0;
  isResult = false;

  get accounted(): boolean {
    const times = (this.caught > 0 ? 1 : 0) + this.reported;
    return times === 1 || (times === 0 && this.isResult);
  }
}

/** Runs a program on virtual time, as `run` does, its cleanup included. */
export async function runProgram(body: Body): Promise<Outcome> {
  const world = new World();
  const { host, loop } = world;
  let settled = false;
  const promise = run(() => world.main(body), { loopFactory: () => loop }).then(
    () => void (settled = true),
    (error: unknown) => {
      settled = true;
      if (!isCancelled(error) && !(error instanceof DeadlockError)) world.caught(error);
    },
  );
  for (let steps = 0; host.step() && steps < 10_000; steps++);
  // what run() does after its last turn takes only reactions of promises
  if (!settled) await drainPromises();
  if (settled) await promise;
  return world.outcome(settled);
}

class World {
  readonly host = new ManualHost();
  readonly loop = new EventLoop({ host: this.host });
  readonly #locks = [new Lock(), new Lock()];
  readonly #permits = new Semaphore(2);
  readonly #queue = new Queue<number>({ maxSize: 2 });
  readonly #event = new Event();
  readonly #condition = new Condition();
  readonly #barrier = new Barrier(2);
  // every task that the program knows of, and those that it may await
  readonly #tasks: Task<void>[] = [];
  readonly #spawned: Task<void>[] = [];
  readonly #thrown: Thrown[] = [];
  readonly #unexpected: string[] = [];
  readonly #outOfOrder: string[] = [];
  // for each lock and the semaphore: the latest ticket drawn, and the latest that came in
  readonly #tickets = [0, 0, 0];
  readonly #entered = [0, 0, 0];
  #put = 0;
  #got = 0;
  #latest = 0;
  #clockWentBack = false;
  #timersLeft = -1;
  #callbacksLeft = -1;
  #unretrievedLeft = -1;

  constructor() {
    const { loop } = this;
    loop.exceptionHandler = (_, { exception, message }) => {
      for (const error of leaves(exception)) {
        if (error instanceof Thrown) error.reported++;
        else this.#unexpected.push(`${message}: ${String(error)}`);
      }
    };
    const close = loop.close.bind(loop);
    loop.close = () => {
      const held = heldBy(loop);
      this.#timersLeft = held.timers;
      this.#callbacksLeft = held.callbacks;
      close();
      this.#unretrievedLeft = heldBy(loop).unretrieved;
    };
  }

  /** The program has seen an error. */
  caught(error: unknown): void {
    for (const leaf of leaves(error)) {
      if (leaf instanceof Thrown) leaf.caught++;
      else if (!isCancelled(leaf)) this.#unexpected.push(String(leaf));
    }
  }

  *main(body: Body): Coroutine<void> {
    this.#tasks.push(currentTask() as Task<void>);
    yield* this.#run(body);
  }

  outcome(settled: boolean): Outcome {
    const lines = [...this.#locks, this.#permits, this.#event, this.#condition];
    const left = this.#queue.size;
    return {
      settled,
      tasksNotDone: this.#tasks.filter((task) => !task.done).map((task) => task.name),
      unaccounted: this.#thrown
        .filter(({ accounted }) => !accounted)
        .map(({ message, caught, reported }) => `${message}: caught ${caught} times, reported ${reported} times`),
      unexpected: this.#unexpected,
      clockWentBack: this.#clockWentBack,
      outOfOrder: this.#outOfOrder,
      locked: [...this.#locks, this.#condition].map((lock) => lock.locked),
      waiting: lines.reduce(
        (sum, line) => sum + line.waiting,
        this.#queue.getters + this.#queue.putters + this.#barrier.count,
      ),
      permits: this.#permits.value,
      itemsMissing: this.#put - this.#got - left,
      timersLeft: this.#timersLeft,
      callbacksLeft: this.#callbacksLeft,
      alarmsLeft: this.host.turns + (this.host.nextAlarm === undefined ? 0 : 1),
      unretrievedLeft: this.#unretrievedLeft,
    };
  }

  *#run(body: Body): Coroutine<void> {
    for (const step of body) {
      this.#lookAtClock();
      yield* this.#step(step);
    }
    this.#lookAtClock();
  }

  #lookAtClock(): void {
    const now = this.loop.time();
    if (now < this.#latest) this.#clockWentBack = true;
    this.#latest = now;
  }

  *#step(step: Step): Coroutine<void> {
    switch (step.do) {
      case "sleep":
        return yield* sleep(step.ms);
      case "throw":
        throw this.#error();
      case "cancel":
        this.#tasks[step.which % this.#tasks.length]?.cancel();
        return;
      case "await":
        return yield* this.#await(step.which);
      case "spawn":
        this.#spawned.push(this.#task(createTask(() => this.#run(step.body))));
        return;
      case "attempt": {
        const result = yield* attempt(() => this.#run(step.body));
        if (!result.ok) this.#handle(result.error);
        return;
      }
      case "finally":
        return yield* this.#finally(step.body, step.ms);
      case "shield":
        return yield* shield(this.#run(step.body)) as unknown as Coroutine<void>;
      case "timeout":
        return yield* this.#limited(within(timeout(step.ms), () => this.#run(step.body)));
      case "waitFor":
        return yield* this.#limited(waitFor(this.#run(step.body), step.ms));
      case "lock":
        return yield* this.#enter(this.#locks[step.which] as Lock, step.which, step.body);
      case "permit":
        return yield* this.#enter(this.#permits, 2, step.body);
      case "group": {
        const over = this.#scope("failure");
        yield* within(new TaskGroup(), (group) => {
          for (const body of step.bodies) this.#task(group.createTask(() => over(this.#run(body))));
          return this.#run(step.body);
        });
        return;
      }
      case "gather": {
        if (step.returnExceptions) {
          const bodies = step.bodies.map((body) => this.#asResult(body));
          for (const error of yield* gather(bodies, { returnExceptions: true })) this.caught(error);
        } else {
          const over = this.#scope("failure");
          yield* gather(step.bodies.map((body) => over(this.#run(body))));
        }
        return;
      }
      case "race": {
        const over = this.#scope("any end");
        if (step.bodies.length > 0) yield* race(...step.bodies.map((body) => over(this.#run(body))));
        return;
      }
      case "put":
        yield* this.#queue.put(1);
        this.#put++;
        return;
      case "get":
        yield* this.#queue.get();
        this.#got++;
        return;
      case "putNowait":
        if (this.#queue.full) return;
        this.#queue.putNowait(1);
        this.#put++;
        return;
      case "getNowait":
        if (this.#queue.empty) return;
        this.#queue.getNowait();
        this.#got++;
        return;
      case "setEvent":
        return this.#event.set();
      case "clearEvent":
        return this.#event.clear();
      case "waitEvent":
        yield* this.#event.wait();
        return;
      case "waitCondition":
        yield* within(this.#condition, () => this.#condition.wait());
        return;
      case "notify":
        return yield* within(this.#condition, () => this.#condition.notify());
      case "barrier":
        yield* this.#barrier.wait();
        return;
    }
  }

  #task<T extends Task<void>>(task: T): T {
    this.#tasks.push(task);
    return task;
  }

  #error(): Thrown {
    const error = new Thrown(`error ${this.#thrown.length}`);
    this.#thrown.push(error);
    return error;
  }

  *#await(which: number): Coroutine<void> {
    // Only of a later task than the own one: then tasks do not wait for each other in a circle, which no cancellation undoes
    // where one of them is a group's.
    const later = this.#spawned.filter((task) => numberOf(task) > numberOf(currentTask()));
    const task = later[which % Math.max(1, later.length)];
    if (task === undefined) return;
    try {
      yield* task;
    } catch (error) {
      this.#handle(error);
    }
  }

  /** Handles an error, but does not go on if it was the answer to a cancellation: that would be to swallow it. */
  #handle(error: unknown): void {
    if (isCancelled(error)) throw error;
    this.caught(error);
    if (currentTask().cancelling > 0) throw new CancelledError();
  }

  /**
   * Wraps the coroutines of a group, a gather or a race: once one of them has failed, or ended, none of the others goes on to a
   * later time without having been asked to end.
   */
  #scope(end: "failure" | "any end"): (coroutine: Coroutine<void>) => Coroutine<void> {
    const { loop } = this;
    const unexpected = this.#unexpected;
    let overAt = Number.POSITIVE_INFINITY;
    return function* (coroutine) {
      let failed = false;
      try {
        yield* coroutine;
      } catch (error) {
        failed = !isCancelled(error);
        throw error;
      } finally {
        if (loop.time() > overAt && currentTask().cancelling === 0)
          unexpected.push(`goes on after the ${end} of another`);
        if (failed || end === "any end") overAt = Math.min(overAt, loop.time());
      }
    };
  }

  // An error that becomes a result is a result: gone if the one who asked for it is cancelled when it is there.
  *#asResult(body: Body): Coroutine<void> {
    try {
      yield* this.#run(body);
    } catch (error) {
      for (const leaf of leaves(error)) if (leaf instanceof Thrown) leaf.isResult = true;
      throw error;
    }
  }

  *#finally(body: Body, ms: number): Coroutine<void> {
    let thrown: unknown;
    try {
      yield* this.#run(body);
    } catch (error) {
      thrown = error;
      throw error;
    } finally {
      yield* this.#cleanUp(ms, thrown);
    }
  }

  *#cleanUp(ms: number, thrown: unknown): Coroutine<void> {
    try {
      yield* sleep(ms);
    } catch (cancellation) {
      // takes the place of what was thrown: JavaScript's way, which nothing can report
      this.caught(thrown);
      throw cancellation;
    }
  }

  *#limited(coroutine: Coroutine<void>): Coroutine<void> {
    try {
      yield* coroutine;
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
    }
  }

  *#enter(lock: Lock | Semaphore, line: number, body: Body): Coroutine<void> {
    const ticket = ++(this.#tickets as [number, number, number])[line as 0];
    yield* within(lock, () => {
      if (ticket < (this.#entered[line] as number)) this.#outOfOrder.push(`${ticket} after ${this.#entered[line]}`);
      this.#entered[line] = ticket;
      return this.#run(body);
    });
  }
}

/** Tasks are numbered in the order in which they are made. */
function numberOf(task: Task<unknown>): number {
  return Number(task.name.slice("Task-".length));
}

function leaves(error: unknown): unknown[] {
  if (error === undefined || error === null) return [];
  return error instanceof ExceptionGroup ? error.errors.flatMap(leaves) : [error];
}
