import { type Ready, type ReadyQueue, Task } from "corio";

/** Chooses among the alternatives of a queue: 0 is what became ready first, and would run in an ordinary loop. */
export type Choose = (queue: ChoosingQueue) => number;

/**
 * A ready queue of which a function chooses what runs next, within what asyncio guarantees: tasks may go in any order, callbacks
 * (of `callSoon`, of futures, of timers) keep theirs. So the alternatives are the tasks that are ready, and the first callback.
 *
 *   entries:        task A   callback 1   task B   callback 2   task C
 *   alternatives:     0          1          2                      3
 *
 * A task that waited for a future does not pass a callback that became ready just before it, in the same step: a future that is
 * done calls its callbacks and wakes its waiters in the order in which they came, so who waits may rely on a callback that was added
 * before.
 *
 * What is passed over goes to the end, as if it had become ready only now: one choice holds a task up for a whole round, which
 * takes a search few choices to get far. Callbacks that are passed over go there together.
 */
export class ChoosingQueue implements ReadyQueue {
  readonly #choose: Choose;
  readonly #onTask: ((task: Task<unknown>) => void) | undefined;
  #entries: Entry[] = [];
  #callbacks = 0;
  #step = 0;
  #pushes = 0;

  /**
   * @param choose called before each entry that runs
   * @param onTask told of each task that becomes ready
   */
  constructor(choose: Choose, onTask?: (task: Task<unknown>) => void) {
    this.#choose = choose;
    this.#onTask = onTask;
  }

  get length(): number {
    return this.#entries.length;
  }

  push(ready: Ready): void {
    const isTask = ready instanceof Task;
    const woken = isTask && ready.waitingFor !== undefined;
    this.#entries.push({ ready, isTask, woken, step: this.#step, push: this.#pushes++ });
    if (!isTask) this.#callbacks++;
    else if (this.#onTask !== undefined) this.#onTask(ready);
  }

  /** How many alternatives there are. */
  get alternatives(): number {
    return this.#callbacks === 0 ? this.#entries.length : this.#list().length;
  }

  /** The alternatives in order. */
  list(): Ready[] {
    return this.#list().map(({ ready }) => ready);
  }

  shift(): Ready {
    // what the choice itself wakes, by a cancellation, is not woken by the entry that ran before
    this.#step++;
    const choice = this.#choose(this);
    // the first entry is always an alternative: a task that is held back stands behind a callback
    const entry = choice === 0 ? (this.#entries.shift() as Entry) : this.#passOver(choice);
    if (!entry.isTask) this.#callbacks--;
    this.#step++;
    return entry.ready;
  }

  clear(): void {
    this.#entries = [];
    this.#callbacks = 0;
  }

  #list(): Entry[] {
    const entries = this.#entries;
    if (this.#callbacks === 0) return entries;
    const callbacks = entries.filter(({ isTask }) => !isTask);
    const [first] = callbacks;
    return entries.filter((entry) =>
      entry.isTask
        ? !(entry.woken && callbacks.some(({ step, push }) => step === entry.step && push < entry.push))
        : entry === first,
    );
  }

  #passOver(choice: number): Entry {
    const entries = this.#entries;
    if (this.#callbacks === 0) {
      this.#entries = entries.slice(choice + 1).concat(entries.slice(0, choice));
      return entries[choice] as Entry;
    }
    const alternatives = this.#list();
    const chosen = alternatives[choice] as Entry;
    const passed = new Set(alternatives.slice(0, choice));
    const callbacksPassed = [...passed].some(({ isTask }) => !isTask);
    const offered = new Set(alternatives);
    // together with the callbacks go the tasks that are held back by them
    const isPassed = (entry: Entry): boolean => passed.has(entry) || (callbacksPassed && !offered.has(entry));
    const others = entries.filter((entry) => entry !== chosen);
    this.#entries = [...others.filter((entry) => !isPassed(entry)), ...others.filter(isPassed)];
    return chosen;
  }
}

interface Entry {
  readonly ready: Ready;
  readonly isTask: boolean;
  /** Whether it is a task that waited for a future. */
  readonly woken: boolean;
  /** During which step it became ready. */
  readonly step: number;
  readonly push: number;
}
