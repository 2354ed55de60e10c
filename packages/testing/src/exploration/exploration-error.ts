import { CorioError } from "corio";
import { isOwnFrame, isProgramLine, shortPaths } from "../frames/program-lines.js";
import { LeakError } from "../leaks/leak-error.js";
import type { Failure, FailureKind } from "./failure.js";
import { encodeSchedule, type Schedule } from "./schedule.js";
import { format, type TimelineEntry } from "./timeline.js";

/** What was found out about a failure. */
export interface Finding {
  readonly failure: Failure;
  /** What repeats the schedule as it was found. */
  readonly seed: string;
  /** The number of that schedule, from 1. */
  readonly number: number;
  /** How many schedules were to be run; 0 if it was one that was asked for. */
  readonly schedules: number;
  /** The deviations that matter. */
  readonly schedule: Schedule;
  /** How many there were before those that do not matter were left out. */
  readonly deviations: number;
  readonly timeline: readonly TimelineEntry[];
}

const WHAT: Record<FailureKind, string> = {
  error: "The program throws",
  deadlock: "The program deadlocks",
  unending: "The program does not end",
  leak: "The program leaves something behind",
};

// The timeline of a program that goes on and on is cut in the middle.
const LONGEST_TIMELINE = 200;

/**
 * A program failed under one of the schedules under which it was run. The message tells what went wrong, what matters, who ran when, and
 * how to run that schedule again; `cause` is what the program threw.
 */
export class ExplorationError extends CorioError {
  override readonly name: string = "ExplorationError";
  /** In what way it failed. */
  readonly kind: FailureKind;
  /** Repeats the schedule as it was found: `replay(program, seed)`. */
  readonly seed: string;
  /** The shortest schedule that fails likewise, as text: `replay(program, schedule)`. */
  readonly schedule: string;
  /** What matters: each deviation from the ordinary order, in words. */
  readonly choices: readonly string[];
  /** Who ran when under that schedule. */
  readonly timeline: readonly TimelineEntry[];

  constructor(finding: Finding) {
    const { failure, seed, schedule, timeline } = finding;
    super("ERR_CORIO_EXPLORATION", describe(finding), { cause: failure.error });
    this.kind = failure.kind;
    this.seed = seed;
    this.schedule = encodeSchedule(schedule);
    this.timeline = timeline;
    this.choices = timeline.flatMap(({ deviation }) => (deviation === undefined ? [] : [deviation]));
  }
}

function describe({ failure, seed, number, schedules, schedule, deviations, timeline }: Finding): string {
  const ordinary = schedule.length === 0;
  const found = ordinary
    ? "in the ordinary order, in which every program runs"
    : schedules === 0
      ? "under this schedule"
      : `under schedule ${number} of ${schedules}`;
  const matters = ordinary
    ? []
    : [
        "",
        `What matters, of ${deviations} departure${deviations === 1 ? "" : "s"} from the ordinary order:`,
        ...timeline.flatMap(({ step, deviation }) => (deviation === undefined ? [] : [`  step ${step}: ${deviation}`])),
      ];
  const repeat = encodeSchedule(schedule);
  return [
    `${WHAT[failure.kind]} ${found}:`,
    "",
    ...linesOf(failure.error).map((line) => `  ${line}`),
    ...matters,
    "",
    ordinary ? "Who ran when:" : "Who ran when (* marks the departures):",
    ...table(timeline),
    "",
    `To run this schedule alone: replay(program, ${JSON.stringify(repeat)})`,
    ...(repeat === seed
      ? []
      : [`As it was found, with all that does not matter: replay(program, ${JSON.stringify(seed)}, options)`]),
  ].join("\n");
}

/** An error with the program's own frames; of a group its members with theirs, for the group's say nothing; and the causes. */
function linesOf(error: unknown, above: readonly unknown[] = []): string[] {
  if (!(error instanceof Error)) return [String(error)];
  // an error may be its own cause
  if (above.includes(error)) return [`${error.name}, as above`];
  const inside = [...above, error];
  const { name, message, cause } = error as { name: unknown; message: unknown; cause?: unknown };
  const causes = cause instanceof Error && !(error instanceof LeakError) ? linesOf(cause, inside) : [];
  const members =
    error instanceof AggregateError ? error.errors.flatMap((member) => linesOf(member, inside)) : undefined;
  return [
    ...`${String(name)}: ${String(message)}`.split("\n").filter(isOfUse).map(shortPaths),
    ...(members ?? framesOf(error)).map(indent),
    ...causes.map((line, i) => indent(i === 0 ? `caused by ${line}` : line)),
  ];
}

/** The program's frames, task by task; what called explore() is left out. */
function framesOf(error: { stack?: unknown; message: unknown }): string[] {
  const frames: string[] = [];
  let inside = true;
  const [stack, message] = [String(error.stack ?? ""), String(error.message)];
  const after = stack.includes(message) ? stack.indexOf(message) + message.length : 0;
  for (const line of stack.slice(after).split("\n")) {
    if (/^ {4}awaited in /.test(line)) inside = true;
    else if (isOwnFrame(line)) inside = false;
    else if (!/^ {4}at /.test(line) || !isProgramLine(line)) continue;
    if (inside) frames.push(shortPaths(line.trim()));
  }
  return frames;
}

/** Frames of corio's own are not, nor is the advice of an ordinary deadlock: nothing outside wakes a program that is explored. */
function isOfUse(line: string): boolean {
  return isProgramLine(line) && !line.includes("hold the loop meanwhile");
}

function indent(line: string): string {
  return `    ${line}`;
}

/** The end of a sleep and corio's own callbacks tell nothing that the next step of a task does not. */
function isNews({ who, deviation }: TimelineEntry): boolean {
  return deviation !== undefined || !/^(end of .*sleep|callback( #.*)?)$/.test(who);
}

function table(timeline: readonly TimelineEntry[]): string[] {
  const who = Math.max(4, ...timeline.map((entry) => entry.who.length));
  const row = (mark: string, step: string, time: string, name: string, what: string): string =>
    `${mark} ${step.padStart(5)}  ${time.padStart(7)}  ${name.padEnd(who)}  ${what}`.trimEnd();
  const rows = timeline
    .filter(isNews)
    .map(({ step, time, who: name, what, deviation }) =>
      row(deviation === undefined ? " " : "*", String(step), format(time), name, what),
    );
  const head = row(" ", "step", "ms", "who", "what");
  if (rows.length <= LONGEST_TIMELINE) return [head, ...rows];
  const half = LONGEST_TIMELINE / 2;
  return [head, ...rows.slice(0, half), `  … ${rows.length - LONGEST_TIMELINE} steps …`, ...rows.slice(-half)];
}
