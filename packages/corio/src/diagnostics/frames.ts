import { thisCopy } from "../errors/this-copy.js";

// The folder of the core's modules; a bundle has none, and then its frames cannot be told from the program's.
const end = thisCopy.lastIndexOf("/errors/");
const own = end < 0 ? undefined : decodeURI(thisCopy.slice(0, end + 1)).replace(/^file:\/\//, "");

/** The frames of a stack, as V8 prints it, that are the program's: neither the core's own nor the engine's. */
export function programFrames(stack: unknown): string[] {
  return String(stack ?? "")
    .split("\n")
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
