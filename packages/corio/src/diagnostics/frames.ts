import { thisCopy } from "../errors/this-copy.js";

// The folder of the core's modules, and of their sources, which source maps name instead; a bundle has none, and then its frames
// cannot be told from the program's.
const end = thisCopy.lastIndexOf("/errors/");
const built = decodeURI(thisCopy.slice(0, end + 1)).replace(/^file:\/\//, "");
const own = end < 0 ? [] : [built, built.replace(/\/dist\/$/, "/src/")];

function isOwn(line: string): boolean {
  return own.some((folder) => line.includes(folder));
}

/**
 * The frames of a stack, as V8 prints it, that are the program's: neither the core's own nor the engine's. They end with the step
 * of the task: below it stands what happened to wake the loop.
 */
export function programFrames(stack: unknown): string[] {
  return untilStep(String(stack ?? "").split("\n"))
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at ") && isProgram(line));
}

/** The lines of a stack above the step of its task. */
export function untilStep(lines: string[]): string[] {
  const step = lines.findIndex((line) => line.includes("._step (") && isOwn(line));
  return step < 0 ? lines : lines.slice(0, step);
}

/** Whether a line of a stack is not a frame of the core, of the engine between two generators, or of Node. */
export function isProgram(line: string): boolean {
  return (
    !/ (next|throw|return) \(<anonymous>\)$|\.(next|throw|return) \(<anonymous>\)$|\(node:| node:/.test(line) &&
    !isOwn(line)
  );
}
