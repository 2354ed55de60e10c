import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { describe } from "vitest";

type Program = "openssl" | "socat" | "python3";

// for asyncio's StreamWriter.start_tls
const PYTHON = [3, 11] as const;

/** `describe` for tests that need programs of others. Without those they are skipped, which says why, and fail in CI. */
export function describeWith(...programs: Program[]): typeof describe.skip {
  const problems = programs.map(problemWith).filter((problem) => problem !== undefined);
  if (problems.length === 0) return describe;
  const text = `${problems.join(", ")}: node scripts/ensure-test-programs.mjs installs what it can`;
  if (process.env["CI"]) throw new Error(text);
  console.warn(`Tests are skipped. ${text}`);
  return describe.skip;
}

function problemWith(program: Program): string | undefined {
  if (!isOnPath(program)) return `there is no ${program} on the PATH`;
  if (program !== "python3") return undefined;
  const [, major, minor] = /(\d+)\.(\d+)/.exec(execFileSync("python3", ["--version"], { encoding: "utf8" })) ?? [];
  if (Number(major) === PYTHON[0] && Number(minor) >= PYTHON[1]) return undefined;
  return `python3 is ${major}.${minor}, and not ${PYTHON.join(".")} or newer`;
}

function isOnPath(name: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
