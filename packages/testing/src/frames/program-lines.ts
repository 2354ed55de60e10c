// This package's folder, and the one in which it stands beside its sisters. Source maps may lead from dist to src.
const [own, sisters] = ["../../", "../../../"].map((path) =>
  decodeURI(new URL(path, import.meta.url).href).replace(/^file:\/\//, ""),
) as [string, string];

/** Whether a line of a stack is a frame of this package. */
export function isOwnFrame(line: string): boolean {
  return line.includes(`${own}dist/`) || line.includes(`${own}src/`);
}

/**
 * Whether a line of a report tells of the program: not a frame of Node, of a dependency or of one of corio's packages, nor what was
 * created or set there. Lines that tell of no frame all do.
 */
export function isProgramLine(line: string): boolean {
  if (!/^\s*(created |set )?at /.test(line)) return true;
  // the engine's own frames have no place
  if (/\bnode:|\/node_modules\/|\(<anonymous>\)$/.test(line)) return false;
  const [, inside] = line.split(sisters);
  return inside === undefined || !/^[^/]+\/(src|dist)\//.test(inside);
}

/** The first frame of a stack that is the program's. */
export function programFrame(stack: string | undefined): string | undefined {
  return stack
    ?.split("\n")
    .map((line) => line.trim())
    .find((line) => line.startsWith("at ") && isProgramLine(line));
}

/** What was thrown, with the frames of its stack that are the program's. */
export function programStack(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return (thrown.stack ?? String(thrown)).split("\n").filter(isProgramLine).join("\n");
}

/** A text without the frames in it that are this package's own: tests run on it, and nobody looks for it there. */
export function withoutOwnFrames(text: string): string {
  return text
    .split("\n")
    .filter((line) => !(/^\s*at /.test(line) && isOwnFrame(line)))
    .join("\n");
}

/** A text with its paths from the working directory. */
export function shortPaths(text: string): string {
  const folder = (globalThis as { process?: { cwd?(): string } }).process?.cwd?.();
  return folder === undefined ? text : text.replaceAll(`file://${folder}/`, "").replaceAll(`${folder}/`, "");
}
