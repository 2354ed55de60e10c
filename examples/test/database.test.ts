import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { main } from "../database.js";
import { realRun } from "./real-run.js";
import { StartedProgram } from "./started-program.js";

const ensure = fileURLToPath(new URL("../database/ensure-postgresql.mjs", import.meta.url));

/** Why there is no PostgreSQL. */
let missing = "";

beforeAll(async () => {
  try {
    await promisify(execFile)(process.execPath, [ensure]);
  } catch (error) {
    // where CI is set nothing is skipped
    if (process.env["CI"]) throw error;
    missing = (error as { stderr: string }).stderr;
  }
}, 600_000);

describe("database", () => {
  it("has all rows that were written, none of a transaction that failed or was cancelled, and its connections free", async ({
    skip,
  }) => {
    skip(missing !== "", missing);
    const { output, reports } = await realRun(main);
    expect(output).toEqual([
      expect.stringMatching(/^PostgreSQL listens in /),
      "100 writers read what they wrote, 1000 rows in all",
      "connections: 8",
      'failed: duplicate key value violates unique constraint "rows_pkey"',
      "rows of the failed transaction: 0",
      "cancelled: true",
      "rows of the cancelled transaction: 0",
      "queries that still sleep: 0",
      "all connections are free: true",
      "PostgreSQL has stopped",
    ]);
    expect(reports).toEqual([]);
  });

  it("stops the server and removes its data when it is cancelled", async ({ skip }) => {
    skip(missing !== "", missing);
    const program = new StartedProgram("database.ts");
    const folder = (await program.line()).replace("PostgreSQL listens in ", "");
    const server = Number(readFileSync(join(folder, "data/postmaster.pid"), "utf8").split("\n")[0]);
    expect(isRunning(server)).toBe(true);
    program.kill("SIGTERM");
    const { code, stderr } = await program.ended();
    expect({ code, stderr }).toEqual({ code: 143, stderr: "" });
    expect(existsSync(folder)).toBe(false);
    expect(isRunning(server)).toBe(false);
  });
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
