import { type Ready, type ReadyQueue, Task } from "corio";

/** Chooses among the alternatives of a queue: 0 is what became ready first, and would run in an ordinary loop. */
export type Choose = (queue: ChoosingQueue) => number;

/**
 * A ready queue of which a function chooses what runs next, within what asyncio guarantees: tasks may go in any order, callbacks
 * (of `callSoon`, of futures, of timers) keep theirs. So the alternatives are every task that is ready, and the first callback.
 *
 *   entries:        task A   callback 1   task B   callback 2   task C
 *   alternatives:     0          1          2                      3
 *
 * What is passed over goes to the end, as if it had become ready only now: one choice holds a task up for a whole round, which
 * takes a search few choices to get far. Callbacks that are passed over go there together.
 */
export class ChoosingQueue implements ReadyQueue {
  readonly #choose: Choose;
  readonly #onTask: ((task: Task<unknown>) => void) | undefined;
  #entries: Ready[] = [];
  #callbacks = 0;

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

  push(entry: Ready): void {
    this.#entries.push(entry);
    if (!(entry instanceof Task)) this.#callbacks++;
    else if (this.#onTask !== undefined) this.#onTask(entry);
  }

  /** How many alternatives there are. */
  get alternatives(): number {
    return this.#callbacks > 1 ? this.#entries.length - this.#callbacks + 1 : this.#entries.length;
  }

  /** The alternatives in order, as they would be offered now. */
  list(): Ready[] {
    const first = this.#entries.find(isCallback);
    return this.#entries.filter((entry) => entry === first || !isCallback(entry));
  }

  shift(): Ready {
    const choice = this.#choose(this);
    const entry = choice === 0 ? (this.#entries.shift() as Ready) : this.#passOver(choice);
    if (!(entry instanceof Task)) this.#callbacks--;
    return entry;
  }

  clear(): void {
    this.#entries = [];
    this.#callbacks = 0;
  }

  #passOver(choice: number): Ready {
    const entries = this.#entries;
    if (this.#callbacks < 2) {
      this.#entries = entries.slice(choice + 1).concat(entries.slice(0, choice));
      return entries[choice] as Ready;
    }
    const alternatives = this.list();
    const chosen = alternatives[choice] as Ready;
    const passed = new Set(alternatives.slice(0, choice));
    const callbacksPassed = alternatives.slice(0, choice).some(isCallback);
    const isPassed = (entry: Ready): boolean => passed.has(entry) || (callbacksPassed && isCallback(entry));
    this.#entries = [
      ...entries.filter((entry) => entry !== chosen && !isPassed(entry)),
      ...entries.filter((entry) => entry !== chosen && isPassed(entry)),
    ];
    return chosen;
  }
}

function isCallback(entry: Ready): boolean {
  return !(entry instanceof Task);
}
