import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { CorioProcess } from "./corio-process.js";

const packages = fileURLToPath(new URL("../..", import.meta.url));

// What `npm install` would make of what `npm publish` would publish, except that tsx is not installed once more.
it("The packed packages run a program in a project of its own", async () => {
  const folder = mkdtempSync(join(tmpdir(), "corio-packed-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["corio", "@corio/cli"]) {
    const target = join(folder, "node_modules", name);
    mkdirSync(target, { recursive: true });
    const source = join(packages, name.replace("@corio/", ""));
    execFileSync("npm", ["pack", "--pack-destination", target], { cwd: source, stdio: "ignore" });
    const tarball = readdirSync(target).find((file) => file.endsWith(".tgz")) ?? "";
    execFileSync("tar", ["-xzf", tarball, "--strip-components=1"], { cwd: target });
  }
  const tsx = createRequire(import.meta.url).resolve("tsx/package.json");
  symlinkSync(dirname(tsx), join(folder, "node_modules", "tsx"), "junction");
  writeFileSync(
    join(folder, "program.ts"),
    `import { sleep } from "corio";
     export function* main(args: string[]) {
       try { console.log(...args); yield* sleep(1e9); }
       finally { yield* sleep(1); console.log("cleaned up"); }
     }`,
  );
  const command = join(folder, "node_modules", "@corio", "cli", "dist", "bin.js");
  const child = new CorioProcess(["run", "program.ts", "hello"], { cwd: folder, command });
  await child.wrote("hello");
  child.kill("SIGINT");
  expect(await child.ended).toMatchObject({ code: 130, stdout: "hello\ncleaned up\n", stderr: "" });
});
