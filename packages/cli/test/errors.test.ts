import { describe, expect, it } from "vitest";
import { corioRun } from "./corio-process.js";

const failing = `import { run, sleep } from "corio";

interface Nothing {
  nothing: string;
}

function* inner(): Generator<any, Nothing, any> {
  yield* sleep(1);
  throw new Error("boom", { cause: new TypeError("the reason") });
}

function* outer() {
  return yield* inner();
}

export function* main() {
  yield* outer();
}
void run;
`;

describe.each([
  ["that exports main", failing],
  ["that awaits run()", `${failing} await run(main);`],
  ["that calls run() without awaiting it", `${failing} run(main);`],
])("an error that ends a program %s", (_kind, source) => {
  it("is shown with its coroutines, in positions of the TypeScript source, and its cause", async () => {
    const { code, stdout, stderr } = await corioRun(source);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(/^Error: boom\n/);
    expect(stderr).toMatch(
      /inner \(.*program\.ts:9:9\)\n.*outer \(.*program\.ts:13:\d+\)\n.*main \(.*program\.ts:17:\d+\)/,
    );
    expect(stderr).toMatch(/^└── cause: TypeError: the reason\n {4} {4}at inner \(.*program\.ts:9:/m);
  });

  it("ends the program, whatever else would keep it alive", async () => {
    expect(await corioRun(`setInterval(() => {}, 1_000);\n${source}`)).toMatchObject({ code: 1 });
  });
});

describe("an error that ends a program", () => {
  it("is shown with the members of its group", async () => {
    const { code, stderr } = await corioRun(`
      import { TaskGroup, within, sleep } from "corio";
      function* fail(what: string) { yield* sleep(0); throw new RangeError(what); }
      export function* main() {
        yield* within(new TaskGroup(), function* (group) {
          group.createTask(fail("one"));
          group.createTask(fail("two"));
        });
      }`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ExceptionGroup: /);
    expect(stderr).toMatch(/^├── 1: RangeError: one$/m);
    expect(stderr).toMatch(/^│ {7}at fail /m);
    expect(stderr).toMatch(/^└── 2: RangeError: two$/m);
  });

  it("may be a deadlock, which lists who waits for what", async () => {
    const source = `
      import { createTask, Event, run } from "corio";
      function* waiter() { yield* new Event().wait(); }
      export function* main() { yield* createTask(waiter(), { name: "the waiter" }); }
      void run;`;
    for (const program of [source, `${source} await run(main);`, `${source} run(main);`]) {
      const { code, stderr } = await corioRun(program);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^DeadlockError: /);
      expect(stderr).toContain("the waiter");
    }
  });

  it("may be thrown outside of any coroutine", async () => {
    const { code, stderr } = await corioRun(`
      import { sleep } from "corio";
      export function* main() {
        setTimeout(() => { throw new Error("from a timer"); }, 1);
        yield* sleep(1e9);
      }`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Error: from a timer\n/);
  });

  it("is left to a program that listens for uncaught exceptions", async () => {
    const ended = await corioRun(`
      process.on("uncaughtException", (error) => console.log("caught", error.message));
      setTimeout(() => { throw new Error("from a timer"); }, 1);`);
    expect(ended).toMatchObject({ code: 0, stdout: "caught from a timer\n", stderr: "" });
  });

  it("may be the main task's own cancellation", async () => {
    const { code, stderr } = await corioRun(`
      import { currentTask, sleep } from "corio";
      export function* main() { currentTask().cancel("enough"); yield* sleep(1); }`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^CancelledError: enough\n/);
  });

  it("may come from the program's module", async () => {
    const { code, stderr } = await corioRun(
      `const text: string = "at the top level";\nthrow new Error(text);\nexport {}`,
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Error: at the top level\n\s+at .*program\.ts:2:7/);
  });

  it("may be a module that is not there", async () => {
    const { code, stderr } = await corioRun(`import "./absent.js";`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/Cannot find module .*absent\.js/);
  });

  it.each(["program.ts", "program.js"])("may be a syntax error in %s, which is shown with its place", async (name) => {
    const { code, stdout, stderr } = await corioRun(`console.log("never");\nconst x = ;\n`, { name });
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(new RegExp(`${name}:2`));
    expect(stderr).toContain("SyntaxError: ");
  });
});
