import type { Random } from "../random/random.js";
import type { Deviation, Schedule } from "./schedule.js";
import type { Openings } from "./schedule-run.js";

/** A schedule that is one deviation longer than one that was run; a chain through those before it. */
export interface Branch {
  readonly parent: Branch | undefined;
  readonly deviation: Deviation;
  readonly delays: number;
}

/** The branches of one distance: as many as can still be run, drawn from all that were offered. */
interface Level {
  readonly branches: Branch[];
  offered: number;
}

/**
 * Goes through the schedules by how far they are from the ordinary one: first all with one delay, then all with two, and so on. To
 * pass over one that is ready is a delay, so the second alternative costs one and the third two. The passing of time costs one; so
 * does a cancellation where an await begins and where it has come, and two in between.
 *
 * A schedule branches only after its last deviation, so each is met once: two that differ have at their first difference
 * different entries that run. Where there are more of one distance than can be run, it takes some by lot.
 *
 * @see https://doi.org/10.1145/1926385.1926432 Emmi and others, Delay-Bounded Scheduling
 */
export class SystematicSearch {
  readonly #bound: number;
  readonly #random: Random;
  // by the number of their delays
  readonly #levels: Level[] = [];
  #left: number;
  #complete = true;

  /**
   * @param bound how many delays at most
   * @param left how many schedules can be run
   */
  constructor(bound: number, left: number, random: Random) {
    this.#bound = bound;
    this.#left = left;
    this.#random = random;
  }

  /** Whether every schedule was taken that there is. */
  get exhausted(): boolean {
    return this.#complete && this.#levels.every(({ branches }) => branches.length === 0);
  }

  /** Takes the next schedule; `undefined` if none is left within the bound, or none can be run any more. */
  next(): Branch | undefined {
    const level = this.#levels.find(({ branches }) => branches.length > 0);
    if (level === undefined || this.#left === 0) return undefined;
    this.#left--;
    const { branches } = level;
    const i = this.#random(branches.length);
    const branch = branches[i] as Branch;
    branches[i] = branches.at(-1) as Branch;
    branches.pop();
    return branch;
  }

  /** Adds what branches off from a schedule that was run; of the ordinary one, which has no branch. */
  add(openings: Openings, parent?: Branch): void {
    const last = parent?.deviation;
    const from = last?.step ?? 0;
    const delays = parent?.delays ?? 0;
    const branch = (deviation: Deviation, cost: number): void =>
      this.#add({ parent, deviation, delays: delays + cost });
    // at one step time passes or tasks are cancelled, those in order of their numbers, and then it is chosen who goes
    for (const { step, task, begins } of openings.cancels) {
      const isNext = last?.kind === "time" || (last?.kind === "cancel" && task > last.task);
      if (step > from || (step === from && isNext)) branch({ kind: "cancel", step, task }, begins ? 1 : 2);
    }
    for (const step of openings.times) {
      if (step > from || (step === from && last?.kind === "cancel")) branch({ kind: "time", step }, 1);
    }
    const firstStep = last === undefined || last.kind === "order" ? from + 1 : from;
    for (let step = firstStep; step < openings.alternatives.length; step++) {
      const alternatives = openings.alternatives[step] ?? 0;
      for (let choice = 1; choice < alternatives; choice++) branch({ kind: "order", step, choice }, choice);
    }
  }

  #add(branch: Branch): void {
    const room = this.#roomAt(branch.delays);
    if (room <= 0) {
      this.#complete = false;
      return;
    }
    while (this.#levels.length <= branch.delays) this.#levels.push({ branches: [], offered: 0 });
    const level = this.#levels[branch.delays] as Level;
    level.offered++;
    if (level.branches.length < room) {
      level.branches.push(branch);
      return;
    }
    // each of those that were offered has the same chance to stay
    this.#complete = false;
    const place = this.#random(level.offered);
    if (place < level.branches.length) level.branches[place] = branch;
  }

  /** How many branches of this distance can be run at most: those that are nearer come first. */
  #roomAt(delays: number): number {
    if (delays > this.#bound) return 0;
    let room = this.#left;
    for (const { branches } of this.#levels.slice(0, delays)) room -= branches.length;
    return room;
  }
}

/** The schedule that a branch stands for. */
export function scheduleOf(branch: Branch): Schedule {
  const schedule: Deviation[] = [];
  for (let at: Branch | undefined = branch; at !== undefined; at = at.parent) schedule.push(at.deviation);
  return schedule.toReversed();
}
