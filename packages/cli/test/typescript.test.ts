import { describe, expect, it } from "vitest";
import { CorioProcess, project } from "./corio-process.js";

const run = (files: Record<string, string>, program = "program.ts") =>
  new CorioProcess(["run", program], { cwd: project(files) }).ended;

const main = `
  import { sleep } from "corio";
  export function* main() { yield* sleep(1); console.log("done"); }
`;

describe.each([
  ["an ES module", `{ "type": "module" }`],
  ["CommonJS", `{ "type": "commonjs" }`],
  ["nothing", `{}`],
])("in a package that says it is %s", (_says, manifest) => {
  it("TypeScript may await at its top level", async () => {
    const source = `import { run } from "corio"; ${main} const text: string = "x"; await run(main); console.log(text);`;
    const ended = await run({ "package.json": manifest, "program.ts": source });
    expect(ended).toMatchObject({ code: 0, stdout: "done\nx\n", stderr: "" });
  });

  it("all TypeScript files share one copy of corio", async () => {
    const ended = await run({
      "package.json": manifest,
      "program.ts": `
        import { EventLoop, sleep } from "corio";
        import { Loop, where } from "./folder/library";
        export function* main() { yield* sleep(1); console.log(EventLoop === Loop, where); }`,
      "folder/library.ts": `
        import { where } from "./other.js";
        export { EventLoop as Loop } from "corio";
        export { where };`,
      "folder/other.ts": `export const where = import.meta.url.replace(/.*\\//, "");`,
    });
    expect(ended).toMatchObject({ code: 0, stdout: "true other.ts\n", stderr: "" });
  });

  it("main may be in an .mts file", async () => {
    const ended = await run({ "package.json": manifest, "program.mts": main }, "program.mts");
    expect(ended).toMatchObject({ code: 0, stdout: "done\n", stderr: "" });
  });
});

describe("TypeScript that uses CommonJS", () => {
  it("stays CommonJS", async () => {
    const ended = await run({
      "package.json": "{}",
      "program.ts": `
        import { basename } from "node:path";
        const name: string = basename(__filename);
        console.log(name, typeof require);`,
    });
    expect(ended).toMatchObject({ code: 0, stdout: "program.ts function\n", stderr: "" });
  });

  it.each(["program.ts", "program.cts"])("may export main from %s", async (name) => {
    const ended = await run({ "package.json": "{}", [name]: `${main} void __filename;` }, name);
    expect(ended).toMatchObject({ code: 0, stdout: "done\n" });
  });

  it("is told why it has no top-level await", async () => {
    const ended = await run({ "package.json": "{}", "program.ts": "void __filename; await null; export {}" });
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/program\.ts:1:\d+/);
    expect(ended.stderr).toContain(`"type": "module"`);
  });
});

it("The paths of the tsconfig.json that lies nearest to the program are honoured", async () => {
  const ended = await run(
    {
      "app/tsconfig.json": `{ "compilerOptions": { "paths": { "#lib/*": ["./library/*"], "~/*": ["./library/*"] } } }`,
      "app/src/program.ts": `import { text } from "~/text"; import { sleep } from "corio";
        export function* main() { yield* sleep(1); console.log(text); }`,
      "app/library/text.ts": `export const text: string = "through a path";`,
    },
    "app/src/program.ts",
  );
  expect(ended).toMatchObject({ code: 0, stdout: "through a path\n", stderr: "" });
});

it("A process that the program forks loads TypeScript, too", async () => {
  const ended = await run({
    "program.ts": `
      import { fork } from "node:child_process";
      fork(new URL("./worker.ts", import.meta.url)).on("message", (text) => console.log(text));`,
    "worker.ts": `const text: string = "from the worker"; process.send?.(text); process.disconnect();`,
  });
  expect(ended).toMatchObject({ code: 0, stdout: "from the worker\n", stderr: "" });
});

it("A program may begin with #! and use import.meta.main, and its positions stay true", async () => {
  const source = `#!/usr/bin/env corio\nif (import.meta.main) console.log(new Error().stack?.split("\\n")[1]);\n`;
  for (const name of ["program.ts", "program.mts"]) {
    const ended = await run({ [name]: source }, name);
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toMatch(new RegExp(`${name}:2:`));
  }
});
