import type { Random } from "../random/random.js";
import type { Deviation, Schedule } from "./schedule.js";
import type { Openings } from "./schedule-run.js";

/** A schedule that is one deviation longer than one that was run; a chain through those before it. */
interface Branch {
  readonly parent: Branch | undefined;
  readonly deviation: Deviation;
  readonly delays: number;
}

/**
 * Goes through the schedules by how far they are from the ordinary one: first all with one delay, then all with two, and so on. To
 * pass over one that is ready is a delay, so the second alternative costs one and the third two; a cancellation and the passing of
 * time cost one each.
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
  readonly #branches: Branch[][] = [];
  #complete = true;

  /** @param bound how many delays at most */
  constructor(bound: number, random: Random) {
    this.#bound = bound;
    this.#random = random;
  }

  /** Whether every schedule was taken that there is. */
  get exhausted(): boolean {
    return this.#complete && this.#branches.every((level) => level.length === 0);
  }

  /** Takes the next schedule; `undefined` if none is left within the bound. */
  next(): { schedule: Schedule; branch: Branch } | undefined {
    const level = this.#branches.find(({ length }) => length > 0);
    if (level === undefined) return undefined;
    const i = this.#random(level.length);
    const branch = level[i] as Branch;
    level[i] = level.at(-1) as Branch;
    level.pop();
    return { schedule: scheduleOf(branch), branch };
  }

  /** Adds what branches off from a schedule that was run; of the ordinary one, which has no branch. */
  add(openings: Openings, branch?: Branch): void {
    const last = branch?.deviation;
    const from = last?.step ?? 0;
    const delays = branch?.delays ?? 0;
    const add = (deviation: Deviation, cost: number): void => this.#add({ parent: branch, deviation, delays: delays + cost });
    for (const { step, task } of openings.cancels) {
      if (step > from) add({ kind: "cancel", step, task }, 1);
    }
    for (const step of openings.times) {
      if (step > from) add({ kind: "time", step }, 1);
    }
    // at the step of a cancellation, somebody else may go first
    const firstStep = last === undefined || last.kind === "order" ? from + 1 : from;
    for (let step = firstStep; step < openings.alternatives.length; step++) {
      const alternatives = openings.alternatives[step] ?? 0;
      for (let choice = 1; choice < alternatives; choice++) add({ kind: "order", step, choice }, choice);
    }
  }

  #add(branch: Branch): void {
    if (branch.delays > this.#bound) this.#complete = false;
    else {
      while (this.#branches.length <= branch.delays) this.#branches.push([]);
      (this.#branches[branch.delays] as Branch[]).push(branch);
    }
  }
}

function scheduleOf(branch: Branch): Schedule {
  const schedule: Deviation[] = [];
  for (let at: Branch | undefined = branch; at !== undefined; at = at.parent) schedule.push(at.deviation);
  return schedule.toReversed();
}
