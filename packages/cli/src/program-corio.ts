import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type * as corio from "corio";

type Corio = typeof corio;

/**
 * The copy of corio that the program itself uses: two copies do not know each other's loops. If the program's place has
 * none, the one beside this command serves.
 */
export async function corioOf(file: string): Promise<Corio> {
  const path = realpathSync(file);
  const require = createRequire(path);
  let entry: string;
  try {
    entry = require.resolve("corio");
  } catch {
    return await import("corio");
  }
  // What TypeScript's loader compiled to CommonJS has required a CommonJS copy.
  const isCommonJs = require.cache[path] !== undefined;
  return (isCommonJs ? require(entry) : await import(pathToFileURL(entry).href)) as Corio;
}
