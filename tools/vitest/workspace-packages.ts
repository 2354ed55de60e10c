import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vitest/config";

const packages = fileURLToPath(new URL("../../packages", import.meta.url));

/**
 * Lets tests import a package of this repository by its name: from its sources, so that coverage and stack traces show
 * them, or, when `built`, from its dist folder. A relative import of `../src/…` follows suit, since two copies of one
 * package in a process would not know each other's classes.
 */
export function workspacePackages({ built }: { built: boolean }): Plugin {
  const folders = new Map<string, string>();
  for (const folder of readdirSync(packages)) {
    const manifest = join(packages, folder, "package.json");
    if (existsSync(manifest)) folders.set(JSON.parse(readFileSync(manifest, "utf8")).name, join(packages, folder));
  }
  return {
    name: "corio:workspace-packages",
    enforce: "pre",
    resolveId(specifier, importer) {
      const folder = folders.get(specifier);
      if (folder) return built ? join(folder, "dist", "index.js") : join(folder, "src", "index.ts");
      if (!built || !importer || !specifier.startsWith(".")) return null;
      const [name, sources, ...rest] = resolve(dirname(importer), specifier)
        .slice(packages.length + 1)
        .split(sep);
      if (!name || sources !== "src") return null;
      return join(packages, name, "dist", ...rest).replace(/\.ts$/, ".js");
    },
  };
}
