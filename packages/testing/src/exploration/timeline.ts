import { describeReady, describeWait, type Ready, Task } from "corio";
import { isProgramLine, shortPaths } from "../frames/program-lines.js";
import type { RunObserver } from "./schedule-run.js";

/** One step of a run: who ran when, and what came of it. A cancellation that was injected has an entry of its own before its step. */
export interface TimelineEntry {
  readonly step: number;
  /** On the virtual clock, in milliseconds. */
  readonly time: number;
  /** The name of the task, or what else ran. */
  readonly who: string;
  /** What it came to: where it waits now, or how it ended. */
  readonly what: string;
  /** The departure from the ordinary order that took place here, in words. */
  readonly deviation: string | undefined;
}

/** Writes down who runs when. */
export class Timeline implements RunObserver {
  readonly entries: TimelineEntry[] = [];
  // what runs at present: what it comes to is known when the next one begins
  #current: { step: number; time: number; entry: Ready; deviation: string | undefined } | undefined;
  #goesFirst: string | undefined;
  #over = false;
  readonly #started = new Set<Ready>();

  runs(step: number, time: number, entry: Ready): void {
    this.#finish();
    this.#current = { step, time, entry, deviation: this.#goesFirst };
    this.#goesFirst = undefined;
  }

  timePasses(step: number, from: number, to: number): void {
    this.#finish();
    this.#push(step, to, CLOCK, `everything waits: time passes from ${format(from)} to ${format(to)} ms`);
  }

  goesFirst(chosen: Ready, passedOver: readonly Ready[]): void {
    this.#finish();
    this.#goesFirst = `${describeReady(chosen)} goes before ${list(passedOver.map(describeReady))}, which became ready first`;
  }

  cancels(step: number, time: number, task: Task<unknown>, ready: boolean): void {
    this.#finish();
    const what = `is cancelled ${momentOf(task, ready)}`;
    this.#push(step, time, task.name, what, `${task.name} ${what}`);
  }

  hurries(step: number, from: number, to: number, ready: readonly Ready[]): void {
    this.#finish();
    const what = `time passes from ${format(from)} to ${format(to)} ms, although ${list(ready.map(describeReady))} could run`;
    this.#push(step, to, CLOCK, what, what);
  }

  deadlocks(step: number, time: number): void {
    this.#finish();
    this.#push(step, time, CLOCK, "everything waits, and nothing is left that could wake a task: a deadlock");
    // what follows is how the deadlock is thrown into the program
    this.#over = true;
  }

  ends(): void {
    this.#finish();
    // how the loop stops is no business of the program
    while (isCallback(this.entries.at(-1))) this.entries.pop();
  }

  #finish(): void {
    const current = this.#current;
    if (current === undefined) return;
    this.#current = undefined;
    const { step, time, entry, deviation } = current;
    const begins = entry instanceof Task && !this.#started.has(entry) ? "starts, " : "";
    this.#started.add(entry);
    this.#push(step, time, describeReady(entry), entry instanceof Task ? begins + stateOf(entry) : "runs", deviation);
  }

  #push(step: number, time: number, who: string, what: string, deviation?: string): void {
    if (!this.#over) this.entries.push({ step, time, who, what, deviation });
  }
}

const CLOCK = "(clock)";

function isCallback(entry: TimelineEntry | undefined): boolean {
  return entry !== undefined && entry.deviation === undefined && entry.who.startsWith("callback");
}

/** The number of milliseconds, short. */
export function format(ms: number): string {
  return String(Math.round(ms * 1_000) / 1_000);
}

function stateOf(task: Task<unknown>): string {
  if (task.done)
    return task.cancelled ? "ends: it was cancelled" : describeWait(task).replace(/^has (?:fail|end)ed/, ended);
  const what = task.waitingFor === undefined ? "lets others go first" : describeWait(task);
  const place = placeOf(task);
  return place === undefined ? what : `${what}, ${place}`;
}

function ended(words: string): string {
  return words === "has ended" ? "ends" : "fails";
}

// Where it waits, and who called that: often the one is a function that anybody might call, and the other the line that matters.
function placeOf(task: Task<unknown>): string | undefined {
  const [place, caller] = task.getStack().filter(isProgramLine).map(shortPaths);
  return caller === undefined ? place : `${place}, called ${caller}`;
}

function momentOf(task: Task<unknown>, ready: boolean): string {
  const place = placeOf(task);
  const where = place === undefined ? "" : `, ${place}`;
  if (describeWait(task) === "has not started") return "before it starts";
  if (!ready) return `while it ${describeWait(task)}${where}`;
  const come = task.waitingFor === undefined ? "" : "after what it waited for has come, and ";
  return `${come}before it goes on${where}`;
}

function list(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
