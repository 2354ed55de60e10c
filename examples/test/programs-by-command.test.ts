import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const corio = fileURLToPath(new URL("../../packages/cli/dist/bin.js", import.meta.url));

/** The programs that end within a few seconds, in real time, and the last line of each. */
const programs: [string, RegExp][] = [
  ["hello", /^world$/],
  ["forgotten-yield", /^hello, world$/],
  ["bounded-concurrency", /^1000 answers, never more than 10 requests in flight$/],
  ["one-loop-at-a-time", /^hello from the second run$/],
  ["looking-around", /^it runs this task: true$/],
  ["loop-by-hand", /^running: false closed: true$/],
  ["cpu-bound", /^inProcess: [0-9a-f]{16}, longest gap between two ticks \d+ ms$/],
  ["to-thread", /^the thread knows$/],
  ["subprocess", /^cancelled: true$/],
  ["server", /^connections left open: 0$/],
  ["fetch-urls", /^8 URLs, 1 without an answer, in \d+\.\d s$/],
  ["http-server", /^connections left open: 0$/],
];

describe("corio run", () => {
  it.concurrent.each(programs)("runs %s, which ends with 0 and by itself", async (name, lastLine) => {
    const program = fileURLToPath(new URL(`../programs/${name}.ts`, import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [corio, "run", program]);
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(lastLine);
  });
});
