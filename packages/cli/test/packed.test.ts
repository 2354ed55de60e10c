import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { CorioProcess } from "./corio-process.js";

const packages = fileURLToPath(new URL("../..", import.meta.url));

const PACKED = ["corio", "@corio/node", "@corio/cli"];

// What `npm install` would make of what `npm publish` would publish, except that what is others' is not installed once more.
it("The packed packages run a program in a project of its own", async () => {
  const folder = mkdtempSync(join(tmpdir(), "corio-packed-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of PACKED) {
    const target = join(folder, "node_modules", name);
    mkdirSync(target, { recursive: true });
    const source = join(packages, name.replace("@corio/", ""));
    execFileSync("npm", ["pack", "--pack-destination", target], { cwd: source, stdio: "ignore" });
    const tarball = readdirSync(target).find((file) => file.endsWith(".tgz")) ?? "";
    execFileSync("tar", ["-xzf", tarball, "--strip-components=1"], { cwd: target });
    for (const dependency of dependenciesOf(target)) {
      if (!PACKED.includes(dependency)) link(installed(source, dependency), join(folder, "node_modules", dependency));
    }
  }
  writeFileSync(
    join(folder, "program.ts"),
    `import { sleep } from "corio";
     import { addSignalHandler, removeSignalHandler } from "@corio/node";
     export function* main(args: string[]) {
       addSignalHandler("SIGUSR2", () => {});
       removeSignalHandler("SIGUSR2");
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

function dependenciesOf(folder: string): string[] {
  const manifest: unknown = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return Object.keys((manifest as { dependencies?: object }).dependencies ?? {});
}

/** Where a package of this repository finds another one. */
function installed(source: string, name: string): string {
  const places = [source, join(packages, "..")].map((place) => join(place, "node_modules", name));
  const found = places.find((place) => existsSync(place));
  if (found === undefined) throw new Error(`${name} is not installed: npm ci`);
  return found;
}

function link(target: string, path: string): void {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path, "junction");
}
