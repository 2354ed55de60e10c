import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** Whether Node needs help to load the file. */
export function isTypeScript(file: string): boolean {
  return /\.(?:[cm]?ts|[jt]sx)$/.test(file);
}

/**
 * Lets this process import and require TypeScript, with source-mapped positions in stacks and with the paths of the
 * tsconfig.json that lies nearest to the program.
 */
export async function enableTypeScript(file: string): Promise<void> {
  const [esm, commonJs] = await Promise.all([import("tsx/esm/api"), import("tsx/cjs/api")]);
  const { TSX_TSCONFIG_PATH: given } = process.env;
  const tsconfig = given ?? nearestTsconfig(dirname(file));
  // The CommonJS part has no option for it.
  if (tsconfig !== undefined) process.env["TSX_TSCONFIG_PATH"] = tsconfig;
  try {
    commonJs.register();
    esm.register(tsconfig === undefined ? {} : { tsconfig });
  } finally {
    if (given === undefined) delete process.env["TSX_TSCONFIG_PATH"];
  }
}

function nearestTsconfig(folder: string): string | undefined {
  const tsconfig = join(folder, "tsconfig.json");
  if (existsSync(tsconfig)) return tsconfig;
  const parent = dirname(folder);
  return parent === folder ? undefined : nearestTsconfig(parent);
}
