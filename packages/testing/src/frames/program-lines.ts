// The folder of this package's modules, and of their sources, which source maps name instead.
const built = decodeURI(new URL("..", import.meta.url).href).replace(/^file:\/\//, "");
const own = [built, built.replace(/\/dist\/$/, "/src/")];

/** Whether a line of a stack is a frame of this package. */
export function isOwnFrame(line: string): boolean {
  return own.some((folder) => line.includes(folder));
}

/**
 * Whether a line of a report tells of the program: not a frame of this package, of what is installed, or of Node. Other lines all
 * do.
 */
export function isProgramLine(line: string): boolean {
  return !/^\s*(created |set )?at /.test(line) || !(isOwnFrame(line) || FOREIGN.test(line));
}

// the engine's own frames have no place
const FOREIGN = /\/node_modules\/|[( ]node:|\(<anonymous>\)$|\/packages\/corio\/(src|dist)\//;

/** A text with its paths from the working directory. */
export function shortPaths(text: string): string {
  const folder = (globalThis as { process?: { cwd?(): string } }).process?.cwd?.();
  return folder === undefined ? text : text.replaceAll(`file://${folder}/`, "").replaceAll(`${folder}/`, "");
}
