import type { Random } from "../random/random.js";
import type { Deviation, Schedule } from "./schedule.js";

/** What can be done at a step besides letting the first one run. */
export interface Situation {
  /** The number of the step that is about to come. */
  readonly step: number;
  /** How many alternatives there are; 0 if everything waits, and time is about to pass. */
  readonly alternatives: number;
  /** Names the alternatives, for those who give them priorities. */
  list(): readonly object[];
  /** The tasks that may be cancelled, by number. */
  cancellable(): readonly number[];
  /** Whether time may pass although something is ready. */
  readonly timeMayPass: boolean;
}

/** Decides about a schedule as it goes. */
export interface Steering {
  /** What else happens before this step: a cancellation, the passing of time. Asked again until there is nothing more. */
  before(situation: Situation): Deviation | undefined;
  /** Which alternative runs at this step; called only where there are several. */
  choose(situation: Situation): number;
}

/** Does what a schedule says, and the ordinary thing where it says nothing or what cannot be done. */
export class Follow implements Steering {
  readonly #schedule: Schedule;
  #next = 0;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  before({ step }: Situation): Deviation | undefined {
    const deviation = this.#at(step);
    if (deviation === undefined || deviation.kind === "order") return undefined;
    this.#next++;
    return deviation;
  }

  choose({ step, alternatives }: Situation): number {
    const deviation = this.#at(step);
    if (deviation?.kind !== "order") return 0;
    this.#next++;
    return deviation.choice < alternatives ? deviation.choice : 0;
  }

  // one that a step left undone is behind us
  #at(step: number): Deviation | undefined {
    while ((this.#schedule[this.#next]?.step ?? step) < step) this.#next++;
    const deviation = this.#schedule[this.#next];
    return deviation?.step === step ? deviation : undefined;
  }
}

/** What a random schedule may contain. */
export interface RandomKinds {
  readonly cancel: boolean;
  readonly time: boolean;
}

/** At each step any alternative, all with the same chance. */
export class AnyOrder implements Steering {
  protected readonly random: Random;
  readonly #cancelAt: Set<number>;
  readonly #mayLetTimePass: boolean;

  /** @param horizon about how many steps there will be */
  constructor(random: Random, horizon: number, kinds: RandomKinds) {
    this.random = random;
    this.#cancelAt = new Set(kinds.cancel ? someSteps(random, horizon, 1 + (random(4) === 0 ? 1 : 0)) : []);
    this.#mayLetTimePass = kinds.time;
  }

  before(situation: Situation): Deviation | undefined {
    const { step } = situation;
    if (this.#cancelAt.delete(step)) {
      const tasks = situation.cancellable();
      const task = tasks[this.random(Math.max(tasks.length, 1))];
      return task === undefined ? undefined : { kind: "cancel", step, task };
    }
    return this.#mayLetTimePass && situation.timeMayPass && this.random(8) === 0 ? { kind: "time", step } : undefined;
  }

  choose({ alternatives }: Situation): number {
    return this.random(alternatives);
  }
}

/**
 * Whoever has the highest priority goes first, and at a few steps, by lot, whoever would go falls behind all others. It finds what
 * takes a long wait at one place, which a lot at each step hardly ever draws.
 *
 * @see https://doi.org/10.1145/1736020.1736040 Burckhardt and others, A Randomized Scheduler with Probabilistic Guarantees of
 * Finding Bugs (PCT)
 */
export class ByPriority extends AnyOrder {
  readonly #priorities = new WeakMap<object, number>();
  readonly #changes: ReadonlySet<number>;
  #lowest = 0;

  constructor(random: Random, horizon: number, kinds: RandomKinds) {
    super(random, horizon, kinds);
    this.#changes = new Set(someSteps(random, horizon, 1 + random(3)));
  }

  override choose(situation: Situation): number {
    const all = situation.list();
    const first = this.#first(all);
    if (!this.#changes.has(situation.step)) return first;
    this.#priorities.set(all[first] as object, --this.#lowest);
    return this.#first(all);
  }

  #first(all: readonly object[]): number {
    let first = 0;
    for (let i = 1; i < all.length; i++) {
      if (this.#priorityOf(all[i] as object) > this.#priorityOf(all[first] as object)) first = i;
    }
    return first;
  }

  #priorityOf(one: object): number {
    let priority = this.#priorities.get(one);
    if (priority === undefined) this.#priorities.set(one, (priority = 1 + this.random(1_000_000)));
    return priority;
  }
}

function someSteps(random: Random, horizon: number, count: number): number[] {
  return Array.from({ length: count }, () => 1 + random(horizon));
}
