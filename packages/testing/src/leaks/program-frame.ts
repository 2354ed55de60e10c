// This package's folder, and the one in which it stands beside its sisters. Source maps may lead from dist to src.
const [own, sisters] = ["../../", "../../../"].map((path) =>
  decodeURI(new URL(path, import.meta.url).href).replace(/^file:\/\//, ""),
) as [string, string];

/** The first frame of a stack that is the program's: not Node's, no dependency's, none of corio's packages. */
export function programFrame(stack: string | undefined): string | undefined {
  return stack
    ?.split("\n")
    .map((line) => line.trim())
    .find((line) => line.startsWith("at ") && isProgram(line));
}

/** What was thrown, with the frames of its stack that are the program's. */
export function programStack(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const lines = (thrown.stack ?? String(thrown)).split("\n");
  return lines.filter((line) => !/^\s*at /.test(line) || isProgram(line)).join("\n");
}

/** A text without the frames in it that are this package's own: tests run on it, and nobody looks for it there. */
export function withoutOwnFrames(text: string): string {
  const isOwn = (line: string): boolean => line.includes(`${own}dist/`) || line.includes(`${own}src/`);
  return text
    .split("\n")
    .filter((line) => !(/^\s*at /.test(line) && isOwn(line)))
    .join("\n");
}

function isProgram(line: string): boolean {
  if (/\bnode:|\/node_modules\/|<anonymous>/.test(line)) return false;
  const [, inside] = line.split(sisters);
  return inside === undefined || !/^[^/]+\/(src|dist)\//.test(inside);
}
