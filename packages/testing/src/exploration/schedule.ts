import { CorioError } from "corio";

/** One thing in which a schedule departs from the ordinary one. Steps are counted from 1. */
export type Deviation =
  /** At this step the alternative of this number runs, instead of the first. */
  | { readonly kind: "order"; readonly step: number; readonly choice: number }
  /** Before this step the task of this number is cancelled, in the order in which tasks were made. */
  | { readonly kind: "cancel"; readonly step: number; readonly task: number }
  /** Before this step time passes up to the next timer, although something is ready. */
  | { readonly kind: "time"; readonly step: number };

/**
 * An order of everything that runs: the ordinary one, first in, first out, but for these deviations, in order of their steps. What
 * is not deviated from stays as short as `12:3`, "at step 12 the third alternative goes first".
 */
export type Schedule = readonly Deviation[];

const ORDINARY = "ordinary";

/** The schedule as text, for `replay`. */
export function encodeSchedule(schedule: Schedule): string {
  return schedule.map(encode).join(",") || ORDINARY;
}

function encode(deviation: Deviation): string {
  const { step } = deviation;
  switch (deviation.kind) {
    case "order":
      return `${step}:${deviation.choice + 1}`;
    case "cancel":
      return `${step}:c${deviation.task + 1}`;
    case "time":
      return `${step}:t`;
  }
}

/**
 * The schedule that a text stands for.
 *
 * @throws a `CorioError` for what stands for none
 */
export function decodeSchedule(text: unknown): Schedule {
  if (text === ORDINARY) return [];
  const schedule = String(text).split(",").map(decode);
  const isInOrder = schedule.every((deviation, i) => i === 0 || isBefore(schedule[i - 1], deviation));
  if (isInOrder && schedule.every((deviation) => deviation !== undefined)) return schedule;
  throw new CorioError(
    "ERR_CORIO_SCHEDULE",
    `"${String(text)}" is no schedule: replay(program, seed) takes the \`seed\` or the \`schedule\` of an ExplorationError`,
  );
}

function decode(part: string): Deviation | undefined {
  const { step, order, task, time } =
    /^(?<step>[1-9]\d*):(?:(?<order>[2-9]|[1-9]\d+)|c(?<task>[1-9]\d*)|(?<time>t))$/.exec(part)?.groups ?? {};
  if (order !== undefined) return { kind: "order", step: Number(step), choice: Number(order) - 1 };
  if (task !== undefined) return { kind: "cancel", step: Number(step), task: Number(task) - 1 };
  return time === undefined ? undefined : { kind: "time", step: Number(step) };
}

/** Whether one deviation may stand before another: who runs at a step is chosen last. */
function isBefore(one: Deviation | undefined, other: Deviation | undefined): boolean {
  if (one === undefined || other === undefined) return true;
  return one.step < other.step || (one.step === other.step && one.kind !== "order");
}
