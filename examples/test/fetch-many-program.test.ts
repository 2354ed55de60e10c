import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Row } from "../fetch-many/row.js";
import { type Site, startSite } from "../site/site.js";

const program = fileURLToPath(new URL("../fetch-many.ts", import.meta.url));
const corio = fileURLToPath(new URL("../../packages/cli/dist/bin.js", import.meta.url));

/** Linux's command that runs a program on a terminal of its own. */
const script = "/usr/bin/script";

/** The two ways in which the program is started. */
const starts: [string, string[]][] = [
  ["as a program of its own", ["--import", "tsx", program]],
  ["by corio run", [corio, "run", program]],
];

let site: Site;
let folder: string;
let output: string;
let list: string;

beforeAll(async () => {
  site = await startSite(60);
});

afterAll(() => site.close());

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fetch-many-"));
  output = join(folder, "results.jsonl");
  list = join(folder, "urls.txt");
  writeFileSync(list, site.urls.join("\n"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function start(command: string[], args: string[]): ChildProcess {
  return spawn(process.execPath, [...command, "--output", output, "--backoff", "20", ...args], { stdio: "pipe" });
}

async function ended(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
  return { code: await code, stdout, stderr };
}

async function rowsWritten(count: number): Promise<void> {
  while (!existsSync(output) || readFileSync(output, "utf8").split("\n").length <= count) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function rows(): Row[] {
  const lines = readFileSync(output, "utf8").split("\n");
  expect(lines.pop()).toBe("");
  return lines.map((line) => JSON.parse(line) as Row);
}

describe.each(starts)("fetch-many, started %s", (_, command) => {
  it("fetches the URLs of a file, ends with 0 and by itself", async () => {
    const { code, stdout } = await ended(start(command, [list]));
    expect(code).toBe(0);
    expect(rows()).toHaveLength(60);
    expect(stdout).toMatch(/^all +60 /m);
    expect(stdout).toContain(`60 rows written to ${output}.`);
  });

  it("reads the URLs from standard input if there is no file", async () => {
    const child = start(command, []);
    child.stdin!.end(site.urls.slice(0, 9).join("\n"));
    expect(await ended(child)).toMatchObject({ code: 0 });
    expect(rows()).toHaveLength(9);
  });

  it("says that standard input has no URLs, and ends with 2", async () => {
    const child = start(command, ["-"]);
    child.stdin!.end();
    const { code, stderr } = await ended(child);
    expect(code).toBe(2);
    expect(stderr).toBe("fetch-many: standard input has no URLs; one a line is expected\n");
  });

  it("writes plain lines where there is no terminal", async () => {
    const { stdout, stderr } = await ended(start(command, [list]));
    expect(stderr).toMatch(/^(\d+ of 60 done, \d+ failed, \d+\.\d s\n)+$/);
    expect(stderr).toMatch(/60 of 60 done, 3 failed, \d+\.\d s\n$/);
    expect(stdout + stderr).not.toContain("\u001b");
  });

  it("ends with 2 when it is used wrongly", async () => {
    const { code, stdout, stderr } = await ended(start(command, [list, "--timeout", "soon"]));
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: "",
      stderr: 'fetch-many: --timeout needs a whole number of at least 1, not "soon"\n',
    });
  });

  it("goes on when nobody reads what it prints any more", async () => {
    const child = start(command, [list]);
    child.stdout!.destroy();
    child.stderr!.destroy();
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(code).toBe(0);
    expect(rows()).toHaveLength(60);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("ends with its results written on %s, and with %i", async (signal, expected) => {
    const child = start(command, [list, "--concurrency", "2"]);
    const end = ended(child);
    await rowsWritten(10);
    child.kill(signal);
    const { code, stderr } = await end;
    expect(code).toBe(expected);
    const rest = readFileSync(join(folder, "results.rest.txt"), "utf8").trimEnd().split("\n");
    expect([...rows().map((row) => row.url), ...rest].toSorted()).toEqual(site.urls.toSorted());
    expect(stderr).toContain(`${rest.length} URLs were not done; `);
    expect(stderr).not.toContain("    at ");
  });

  it.skipIf(!existsSync(script) || process.platform !== "linux")(
    "shows a bar on a terminal, and leaves off there on Ctrl-C",
    async () => {
      const words = [process.execPath, ...command, list, "--output", output, "--concurrency", "1"];
      const line = `stty cols 100 rows 30; exec ${words.map((word) => `'${word}'`).join(" ")}`;
      const child = spawn(script, ["--quiet", "--return", "--flush", "--command", line, "/dev/null"], {
        stdio: "pipe",
      });
      const end = ended(child);
      await rowsWritten(10);
      child.stdin.write("\u0003");
      const { code, stdout } = await end;
      expect(code).toBe(130);
      expect(stdout).toMatch(/█+░+ \d+ of 60 done, \d+ failed, \d+\.\d s, about \d+ s left/);
      expect(stdout).toContain("URLs were not done");
      const rest = readFileSync(join(folder, "results.rest.txt"), "utf8").trimEnd().split("\n");
      expect(rows().length + rest.length).toBe(60);
    },
  );

  it("leaves off on SIGINT while it waits for standard input", async () => {
    const child = start(command, []);
    const end = ended(child);
    // More than a pipe holds: once it is written, the program has begun to read.
    const much = "# a comment\n".repeat(100_000);
    await new Promise((resolve) => child.stdin!.write(much, resolve));
    child.kill("SIGINT");
    expect((await end).code).toBe(130);
    expect(existsSync(output)).toBe(false);
  });
});

describe("fetch-many", () => {
  it.skipIf(process.platform === "win32")("cuts off the half row that a full disk leaves", async () => {
    // A limit of one block on the size of files stands for the disk.
    const command = [process.execPath, "--import", "tsx", program, list, "--output", output].map((it) => `'${it}'`);
    const child = spawn("bash", ["-c", `trap '' XFSZ; ulimit -f 1; exec ${command.join(" ")}`], { stdio: "pipe" });
    const { code, stdout, stderr } = await ended(child);
    expect(code).toBe(1);
    expect(stderr).toContain(`fetch-many: cannot write to ${output}: file too large (EFBIG)`);
    expect(stderr).toContain("URLs were not done");
    expect(stdout).toContain(`${rows().length} rows written`);
    expect(rows().length).toBeGreaterThan(2);
  });
});
