import { realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { areHooksSynchronous, registerModuleHooks } from "./module-hooks.js";
import { enableTypeScript, isTypeScript } from "./typescript.js";

/**
 * Runs the program's module.
 *
 * @returns what it exports, once its top-level awaits are done
 */
export async function loadProgram(file: string): Promise<object> {
  const path = realpathSync(file);
  if (isTypeScript(path)) {
    registerModuleHooks({ program: path });
    await enableTypeScript(path);
    // What the program forks is given the same.
    process.execArgv.push("--import", new URL("./register.js", import.meta.url).href);
  } else if (areHooksSynchronous) {
    registerModuleHooks({ program: path });
  }
  // An import would leave to Node 20 what this file requires, and Node fails there if that is an ES module.
  if (path.endsWith(".cts")) return createRequire(path)(path) as object;
  return (await import(pathToFileURL(path).href)) as object;
}
