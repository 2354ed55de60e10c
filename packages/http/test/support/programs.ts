import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { describe } from "vitest";

/** A program of others, or a Python that has aiohttp. */
export type Program = "aiohttp" | "curl" | "nginx" | "openssl";

/** `describe` for tests that need programs of others. Without those they are skipped, which says why, and fail in CI. */
export function describeWith(...programs: Program[]): typeof describe.skip {
  const missing = programs.filter((program) => findProgram(program) === undefined);
  if (missing.length === 0) return describe;
  const text = `there is no ${missing.join(", no ")}: node scripts/ensure-test-programs.mjs installs what it can`;
  if (process.env["CI"]) throw new Error(text);
  console.warn(`Tests are skipped: ${text}`);
  return describe.skip;
}

/** The path of a program. */
export function pathOf(program: Program): string {
  const path = findProgram(program);
  if (path === undefined) throw new Error(`there is no ${program}: use describeWith("${program}")`);
  return path;
}

const found = new Map<Program, string | undefined>();

function findProgram(program: Program): string | undefined {
  if (!found.has(program)) {
    const find = program === "aiohttp" ? candidates("python3").find(hasAiohttp) : candidates(program)[0];
    found.set(program, find);
  }
  return found.get(program);
}

// Debian has nginx where administrators have their commands, and aiohttp in its own Python, not in a version manager's.
const MORE_FOLDERS = ["/usr/bin", "/usr/sbin"];

function candidates(name: string): string[] {
  const folders = new Set([...(process.env["PATH"] ?? "").split(delimiter), ...MORE_FOLDERS]);
  return [...folders].map((folder) => join(folder, name)).filter(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const hasAiohttp = (python: string): boolean =>
  spawnSync(python, ["-c", "import aiohttp"], { stdio: "ignore" }).status === 0;
