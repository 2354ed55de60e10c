import { thisCopy } from "../errors/this-copy.js";

// The folder of the core's modules; a bundle has none, and then its frames cannot be told from the program's.
const end = thisCopy.lastIndexOf("/errors/");
const own = end < 0 ? undefined : decodeURI(thisCopy.slice(0, end + 1)).replace(/^file:\/\//, "");

/**
 * The frames of a stack, as V8 prints it, that are the program's: neither the core's own nor the engine's. They end with the step
 * of the task: below it stands what happened to wake the loop.
 */
export function programFrames(stack: unknown): string[] {
  const lines = String(stack ?? "").split("\n");
  const step = lines.findIndex((line) => own !== undefined && line.includes("._step (") && line.includes(own));
  return lines
    .slice(0, step < 0 ? lines.length : step)
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at ") && isProgram(line));
}

/** Whether a line of a stack is not a frame of the core, of the engine between two generators, or of Node. */
export function isProgram(line: string): boolean {
  return (
    !/ (next|throw|return) \(<anonymous>\)$|\.(next|throw|return) \(<anonymous>\)$|\(node:| node:/.test(line) &&
    (own === undefined || !line.includes(own))
  );
}
