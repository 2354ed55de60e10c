import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ExplorationError, explore, type ExploreOptions, LeakError, type Program, replay } from "@corio/testing";
import {
  type Coroutine,
  CorioError,
  createTask,
  Event,
  ExceptionGroup,
  gather,
  getRunningLoop,
  Lock,
  sleep,
  TaskGroup,
  within,
} from "corio";
import { describe, expect, test } from "vitest";

function* needsAnOrder(): Coroutine<void> {
  let order = "";
  function* worker(name: string): Coroutine<void> {
    yield* sleep(0);
    order += name[0];
    if (order === "dc") throw new RangeError(`these first: ${order}`);
  }
  const tasks = ["anna", "bert", "carl", "dora"].map((name) => createTask(worker(name), { name }));
  for (const task of tasks) yield* task;
}

describe("an ExplorationError", () => {
  test("is a CorioError with a code, a kind, and what the program threw as its cause", () => {
    const error = failureOf(needsAnOrder);
    expect(error).toBeInstanceOf(ExplorationError);
    expect(error).toBeInstanceOf(CorioError);
    expect(error).toMatchObject({ name: "ExplorationError", code: "ERR_CORIO_EXPLORATION", kind: "error" });
    expect(error.cause).toBeInstanceOf(RangeError);
  });

  test("tells what went wrong, what matters, who ran when, and how to run that again", () => {
    const error = failureOf(needsAnOrder, { schedules: 2_000, delays: 0 });
    const { message, schedule, seed } = error;
    const [first, , what] = message.split("\n");
    expect(first).toMatch(/^The program throws under schedule \d+ of 2000:$/);
    expect(what).toMatch(/^ {2}RangeError: these first: dc$/);
    // the place in this file, from the working directory
    expect(message).toMatch(
      /\n {6}at worker \(packages\/testing\/test\/exploration\/exploration-error\.test\.ts:\d+:\d+\)\n/,
    );
    expect(message).toMatch(
      /\n\nWhat matters, of \d+ departures from the ordinary order:\n {2}step \d+: (anna|bert|carl|dora) goes before /,
    );
    expect(message).toMatch(/\n\nWho ran when \(\* marks the departures\):\n {3}step +ms {2}who +what\n/);
    expect(message).toContain(`\nTo run this schedule alone: replay(program, ${JSON.stringify(schedule)}`);
    expect(message).toContain(
      `\nAs it was found, with all that does not matter: replay(program, ${JSON.stringify(seed)}`,
    );
    // what matters is marked among who ran when
    const marked = message.split("\n").filter((line) => line.startsWith("*"));
    expect(marked).toHaveLength(error.choices.length);
    expect(error.choices.length).toBeGreaterThan(0);
    for (const choice of error.choices) expect(message).toContain(choice);
  });

  test("has the same in its properties", () => {
    const { timeline, choices, schedule } = failureOf(needsAnOrder);
    const marked = timeline.filter(({ deviation }) => deviation !== undefined);
    expect(marked.map(({ deviation }) => deviation)).toEqual(choices);
    expect(marked.map(({ step }) => step)).toEqual(schedule.split(",").map((part) => Number(part.split(":")[0])));
    const steps = timeline.map(({ step }) => step);
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
    expect(timeline[0]).toMatchObject({ step: 1, time: 0, who: "main" });
  });

  test("names no frame of corio's own, of the runner or of Node", () => {
    for (const { message } of [failureOf(needsAnOrder), failureOf(leaks), failureOf(deadlocks), failureOf(group)]) {
      const frames = message.split("\n").filter((line) => /(^|, | )at .*:\d+:\d+/.test(line));
      expect(frames.length).toBeGreaterThan(0);
      for (const frame of frames) {
        expect(frame).toContain("packages/testing/test/exploration/exploration-error.test.ts");
        expect(frame).not.toMatch(/node_modules|node:|\/src\/|file:\/\/|at \//);
      }
    }
  });

  test("of a failure in the ordinary order says so, and has no departures to tell of", () => {
    const error = failureOf(deadlocks);
    expect(error).toMatchObject({ kind: "deadlock", schedule: "ordinary", seed: "ordinary", choices: [] });
    expect(error.message).toMatch(/^The program deadlocks in the ordinary order/);
    expect(error.message).not.toMatch(/What matters|departure|As it was found|schedule \d+ of/);
    expect(error.message).toMatch(/replay\(program, "ordinary"\)$/);
  });

  test("of a deadlock names who waits for whom, and gives no advice that does not hold here", () => {
    const { message } = failureOf(deadlocks);
    expect(message).toContain("ab waits for Lock, held by ba");
    expect(message).toContain("ba waits for Lock, held by ab");
    expect(message).not.toContain("hold the loop");
  });

  test("of a leak names what was left, and of a lost error the error", () => {
    const error = failureOf(leaks);
    expect(error.message).toMatch(/^The program leaves something behind in the ordinary order/);
    expect(error.message).toContain("forgotten waits until");
    expect(error.message).toContain("a timer armed for 500 ms");
    expect(error.message).toContain("nobody looked");
    expect(error.cause).toBeInstanceOf(LeakError);
  });

  test("of one that does not end names its tasks once", () => {
    const error = failureOf(
      function* () {
        createTask(
          function* spin(): Coroutine<void> {
            for (;;) yield* sleep(0);
          },
          { name: "spinner" },
        );
        yield* new Event().wait();
      },
      { maxSteps: 1_000 },
    );
    expect(error.message).toMatch(/^The program does not end in the ordinary order/);
    const before = error.message.slice(0, error.message.indexOf("Who ran when"));
    expect(before.match(/at spin \(/g)).toHaveLength(1);
  });

  test("has a long timeline cut in its middle, and whole in its property", () => {
    const error = failureOf(
      function* (): Coroutine<void> {
        for (;;) yield* sleep(0);
      },
      { maxSteps: 1_000 },
    );
    expect(error.timeline.length).toBeGreaterThan(990);
    expect(error.message.split("\n").length).toBeLessThan(300);
    expect(error.message).toMatch(/ … \d+ steps …/);
  });

  test("of a group tells what its members are, and of an error what caused it", () => {
    const grouped = failureOf(group).message;
    expect(grouped).toContain("ExceptionGroup");
    expect(grouped).toContain("RangeError: inner reason");
    expect(grouped).toContain("TypeError: other reason");
    const caused = failureOf(function* () {
      yield* sleep(0);
      throw new Error("outer", { cause: new RangeError("underneath") });
    }).message;
    expect(caused).toContain("Error: outer");
    expect(caused).toContain("caused by RangeError: underneath");
  });

  test.each<[string, () => unknown]>([
    [
      "that is its own cause",
      () => {
        const error = new Error("circle");
        error.cause = new Error("other", { cause: error });
        return error;
      },
    ],
    [
      "that is a member of its own group",
      () => {
        const errors = [new Error("member")];
        const error = new ExceptionGroup("circle", errors);
        (error.errors as unknown[]).push(error);
        return error;
      },
    ],
    ["without a stack", () => Object.assign(new Error("circle"), { stack: undefined })],
    ["with a stack that is none", () => Object.assign(new Error("circle"), { stack: null })],
    ["of many lines", () => new Error("circle\n    at nowhere (file.ts:1:1)\nthird")],
  ])("can tell of an error %s", (_, make) => {
    const error = failureOf(function* () {
      yield* sleep(0);
      throw make();
    });
    expect(error.message).toContain("circle");
    expect(error.message).toContain('replay(program, "ordinary")');
  });

  test("of a replay says nothing of how many schedules there are", () => {
    const { schedule } = failureOf(needsAnOrder);
    let message = "";
    try {
      replay(needsAnOrder, schedule);
    } catch (error) {
      ({ message } = error as Error);
    }
    expect(message).toMatch(/^The program throws under this schedule:\n/);
    expect(message).not.toContain("As it was found");
  });

  test("in vitest is shown with its message and with the error of the program", async () => {
    const repository = fileURLToPath(new URL("../../../..", import.meta.url));
    const folder = await mkdtemp(join(tmpdir(), "corio-explore-"));
    try {
      const file = join(folder, "race.test.ts");
      await writeFile(file, RACE);
      const output = await vitest(repository, folder);
      expect(output).toContain("ExplorationError: The program throws in the ordinary order");
      expect(output).toContain("Who ran when");
      expect(output).toContain('replay(program, "ordinary")');
      expect(output).toMatch(/Caused by: Error: an update was lost: 1/);
      expect(output).toMatch(/1 failed/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

const RACE = `
import { explore } from "@corio/testing";
import { gather, sleep } from "corio";
import { test } from "vitest";

test("two updates", () => {
  explore(function* () {
    let count = 0;
    function* increment() {
      const before = count;
      yield* sleep(0);
      count = before + 1;
    }
    yield* gather(increment(), increment());
    if (count !== 2) throw new Error("an update was lost: " + count);
  });
});
`;

/** What vitest prints about the tests in a folder, with the repository's configuration. */
async function vitest(repository: string, folder: string): Promise<string> {
  const args = [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--dir",
    folder,
    "--reporter=default",
    "--typecheck.enabled=false",
  ];
  const config = join(folder, "vitest.config.mjs");
  await writeFile(
    config,
    `import config from ${JSON.stringify(join(repository, "vitest.config.ts"))};
     export default { ...config, test: { ...config.test, include: ["**/*.test.ts"], server: { deps: {} } } };`,
  );
  const child = spawn(process.execPath, [...args, "--config", config, "--root", repository], {
    cwd: repository,
    env: { ...process.env, NO_COLOR: "1", VITEST: undefined, NODE_OPTIONS: undefined },
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk));
  await new Promise((resolve) => child.on("close", resolve));
  return output;
}

function* deadlocks(): Coroutine<void> {
  const [a, b] = [new Lock(), new Lock()];
  function* both(first: Lock, second: Lock): Coroutine<void> {
    yield* within(first, function* () {
      yield* sleep(0);
      yield* within(second, () => sleep(0));
    });
  }
  yield* gather(createTask(both(a, b), { name: "ab" }), createTask(both(b, a), { name: "ba" }));
}

function* leaks(): Coroutine<void> {
  createTask(
    function* (): Coroutine<void> {
      yield* sleep(1_000);
    },
    { name: "forgotten" },
  );
  createTask(function* (): Coroutine<void> {
    throw new Error("nobody looked");
  });
  getRunningLoop().callLater(500, () => {});
  yield* sleep(1);
}

function* group(): Coroutine<void> {
  yield* within(new TaskGroup(), function* (tasks) {
    tasks.createTask(function* (): Coroutine<void> {
      yield* sleep(1);
      throw new RangeError("inner reason");
    });
    tasks.createTask(function* (): Coroutine<void> {
      try {
        yield* sleep(10);
      } catch {
        throw new TypeError("other reason");
      }
    });
  });
}

function failureOf(program: Program<unknown>, options?: ExploreOptions): ExplorationError {
  try {
    explore(program, options);
  } catch (error) {
    expect(error).toBeInstanceOf(ExplorationError);
    return error as ExplorationError;
  }
  return expect.fail("the program passes");
}
