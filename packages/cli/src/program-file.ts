import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { UsageError } from "./usage-error.js";

/**
 * The absolute path of the program, as Node would put it into `process.argv[1]`.
 *
 * @throws UsageError if there is no such file
 */
export function programFile(program: string): string {
  const file = resolve(program);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) {
    const meant = EXTENSIONS.map((extension) => program + extension).find((name) => existsSync(resolve(name)));
    throw new UsageError(`there is no file ${program}${meant === undefined ? "" : `. Did you mean ${meant}?`}`);
  }
  if (found.isDirectory()) {
    const meant = ["main", "index"]
      .flatMap((name) => EXTENSIONS.map((extension) => join(program, name + extension)))
      .find((name) => existsSync(resolve(name)));
    throw new UsageError(
      `${program} is a directory. Name the program in it${meant === undefined ? "" : `: corio run ${meant}`}`,
    );
  }
  return file;
}

const EXTENSIONS = [".ts", ".mts", ".js", ".mjs", ".tsx", ".cts", ".cjs"];
