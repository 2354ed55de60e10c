import { writeFile } from "node:fs/promises";
import { format, parse } from "node:path";
import { attempt, type Coroutine, until } from "corio";
import type { Target } from "./url-list.js";

/**
 * Writes the URLs that were not done as a list of their own, beside the results, and returns its name; undefined if it
 * cannot be written. What is there already is never written over: an older rest may be waiting in it.
 */
export function* writeRest(results: string, rest: readonly Target[]): Coroutine<string | undefined> {
  const { dir, name } = parse(results);
  const list = rest.map((target) => `${target.url}\n`).join("");
  for (let number = 1; ; number++) {
    const path = format({ dir, base: number === 1 ? `${name}.rest.txt` : `${name}.rest-${number}.txt` });
    const written = yield* attempt(until(writeFile(path, list, { flag: "wx" })));
    if (written.ok) return path;
    if ((written.error as NodeJS.ErrnoException).code !== "EEXIST") return undefined;
  }
}
