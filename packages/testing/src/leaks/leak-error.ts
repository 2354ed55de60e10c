import { CorioError } from "corio";

/** A program or a test left something behind: tasks, timers, handles, or errors that nobody retrieved. */
export class LeakError extends CorioError {
  override readonly name: string = "LeakError";
  /** What was left, a text for each, with where it was created. */
  declare readonly leaks: readonly string[];

  constructor(what: string, leaks: readonly string[]) {
    super("ERR_CORIO_LEAK", `${what} left behind:\n${leaks.map(indent).join("\n")}`);
    // not enumerable: who prints the error has them in its message
    Object.defineProperty(this, "leaks", { value: leaks });
  }
}

function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");
}
