import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vitest/config";

const packages = fileURLToPath(new URL("../../packages", import.meta.url));
/** The sources that stand for the core's own: a changed copy, for packages/testing/mutations. */
const core = process.env["CORIO_CORE"];

/**
 * Lets tests import a package of this repository by its name, or by a subpath that it exports: from its sources, so that
 * coverage and stack traces show them, or, when `built`, from its dist folder. A relative import of `../src/…` follows suit,
 * since two copies of one package in a process would not know each other's classes.
 */
export function workspacePackages({ built }: { built: boolean }): Plugin {
  const doors = new Map<string, string>();
  for (const folder of readdirSync(packages)) {
    const manifest = join(packages, folder, "package.json");
    if (!existsSync(manifest)) continue;
    const { name, exports } = JSON.parse(readFileSync(manifest, "utf8")) as Manifest;
    for (const [door, target] of Object.entries(exports)) {
      if (typeof target === "string") continue;
      const file = built ? target.default : target.default.replace("./dist/", "./src/").replace(/\.js$/, ".ts");
      doors.set(name + door.slice(1), join(packages, folder, file));
    }
  }
  if (core !== undefined) doors.set("corio", join(core, "index.ts"));
  return {
    name: "corio:workspace-packages",
    enforce: "pre",
    resolveId(specifier, importer) {
      const door = doors.get(specifier);
      if (door) return door;
      if (!built || !importer || !specifier.startsWith(".")) return null;
      const [name, sources, ...rest] = resolve(dirname(importer), specifier)
        .slice(packages.length + 1)
        .split(sep);
      if (!name || sources !== "src") return null;
      return join(packages, name, "dist", ...rest).replace(/\.ts$/, ".js");
    },
  };
}

interface Manifest {
  readonly name: string;
  /** Its doors, `"."` and subpaths. */
  readonly exports: { readonly [door: string]: string | { readonly default: string } };
}
