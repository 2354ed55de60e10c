import { spawnSync } from "node:child_process";
import { type Coroutine, type EventLoop, getRunningLoop, run, sleep, within } from "corio";
import { afterEach, expect } from "vitest";
import { createSubprocessExec } from "../../src/subprocess/create-subprocess.js";
import type { Inherited, ExecOptions } from "../../src/subprocess/subprocess-options.js";
import type { Process } from "../../src/subprocess/process.js";
import { text } from "../support/bytes.js";

/** Starts Node with a script, which has `fs` and `process` at hand. */
export function node<const O extends ExecOptions = Inherited>(script: string, options?: O): Coroutine<Process<O>> {
  return createSubprocessExec(process.execPath, ["-e", script], options);
}

/** A child that says "ready", and then waits for ever; it takes no notice of SIGTERM. */
export const STUBBORN = `process.on("SIGTERM", () => {}); setInterval(() => {}, 1e6); fs.writeSync(1, "ready\\n");`;

/** A child that says "ready", and then waits for ever. */
export const PATIENT = `setInterval(() => {}, 1e6); fs.writeSync(1, "ready\\n");`;

export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: "ESRCH" });
    return false;
  }
}

/** Waits until a process has ended that is no child of this one, of whose end nothing tells: it may stay a zombie. */
export function* ended(pid: number): Coroutine<void> {
  while (lives(pid) && !spawnSync("ps", ["-o", "stat=", "-p", String(pid)]).stdout.includes("Z")) yield* sleep(5);
}

/** Reads a line that is a number. */
export function* readNumber(child: Process<{ stdout: "pipe" }>): Coroutine<number> {
  const line = text(yield* child.stdout.readline());
  expect(line).toMatch(/^\d+\n$/);
  return Number(line);
}

/** Runs main, and expects that nothing was reported to the exception handler. */
export async function runQuietly<T>(main: () => Coroutine<T>): Promise<T> {
  const reports: unknown[] = [];
  const result = await run(function* () {
    const loop: EventLoop = getRunningLoop();
    loop.exceptionHandler = (_loop, context) => reports.push(context);
    return yield* main();
  });
  expect(reports).toEqual([]);
  return result;
}

/** Runs main in the block of a child. */
export function runWith<const O extends ExecOptions, T>(
  script: string,
  options: O,
  main: (child: Process<O>) => Coroutine<T>,
): Promise<T> {
  return runQuietly(function* () {
    const child = yield* node(script, options);
    const result = yield* within(child, () => main(child));
    expect(lives(child.pid)).toBe(false);
    return result;
  });
}

const handles = (): string[] => process.getActiveResourcesInfo().filter((name) => /^(Process|Pipe|TCP)/.test(name));
let before = handles().length;

/** To be called once in a test file: no test may leave a process, a pipe or a socket open. */
export function expectNothingLeft(): void {
  afterEach(async () => {
    for (let look = 0; handles().length > before && look < 2_000; look++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const left = handles().length - before;
    // so that the tests that follow are not blamed
    before += left;
    expect(left, "handles left").toBeLessThanOrEqual(0);
  });
}
