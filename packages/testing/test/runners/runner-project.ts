import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";

const require = createRequire(import.meta.url);
const packages = fileURLToPath(new URL("../../../", import.meta.url));
const compiler = join(packages, "..", "node_modules", "typescript", "bin", "tsc");
const execute = promisify(execFile);

const FOLDERS = {
  vitest: dirname(require.resolve("vitest/package.json")),
  jest: dirname(require.resolve("jest/package.json")),
};

const SUITES = {
  passing: new URL("./suites/passing.mjs", import.meta.url),
  failing: new URL("./suites/failing.mjs", import.meta.url),
  only: new URL("./suites/only.mjs", import.meta.url),
  misuse: new URL("./suites/misuse.mjs", import.meta.url),
};

// What each has besides node itself; `SUITE` is the file to run.
const RUNNERS = {
  vitest: { door: "vitest", args: [join(FOLDERS.vitest, "vitest.mjs"), "run", "--root", ".", "SUITE"] },
  node: { door: "node-test", args: ["--test", "--test-reporter=spec", "SUITE"] },
  // jest runs ES modules by node's modules in contexts, which node has behind a flag
  jest: { door: "jest", args: ["--experimental-vm-modules", join(FOLDERS.jest, "bin", "jest.js"), "SUITE"] },
};

/** A project of its own in which corio, its tests' package and the runners are installed. */
export interface RunnerProject {
  /** Runs one of the suites beside this file; returns all that the runner wrote, without colours, and its exit code. */
  run(
    suite: keyof typeof SUITES,
    ...args: readonly string[]
  ): Promise<{ readonly code: number; readonly output: string }>;
  remove(): void;
}

/** Compiles the packages; takes some seconds. With CORIO_BUILT=1 it takes what was built. */
export async function runnerProject(runner: keyof typeof RUNNERS): Promise<RunnerProject> {
  const folder = mkdtempSync(join(tmpdir(), "corio-runner-"));
  const modules = join(folder, "node_modules");
  await Promise.all([install("corio", join(modules, "corio")), install("testing", join(modules, "@corio", "testing"))]);
  for (const [name, installed] of Object.entries(FOLDERS)) symlinkSync(installed, join(modules, name), "junction");
  const jest = { testMatch: ["**/*.test.mjs"], transform: {} };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "project", type: "module", jest }));
  const { door, args } = RUNNERS[runner];
  return {
    async run(suite, ...more) {
      const file = `${suite}.test.mjs`;
      const source = readFileSync(SUITES[suite], "utf8");
      writeFileSync(join(folder, file), source.replace("/RUNNER", `/${door}`));
      const all = args.map((arg) => (arg === "SUITE" ? file : arg));
      const { code, stdout, stderr } = await ended([...more, ...all], folder);
      return { code, output: stripVTControlCharacters(`${stdout}\n${stderr}`) };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function install(name: string, target: string): Promise<void> {
  const source = join(packages, name);
  const dist = join(target, "dist");
  mkdirSync(dist, { recursive: true });
  cpSync(join(source, "package.json"), join(target, "package.json"));
  cpSync(join(source, "src"), join(target, "src"), { recursive: true });
  if (process.env["CORIO_BUILT"] === "1") return cpSync(join(source, "dist"), dist, { recursive: true });
  // it emits although there are errors of types, which are another test's to find
  await execute(process.execPath, [
    compiler,
    "-p",
    source,
    "--outDir",
    dist,
    "--tsBuildInfoFile",
    join(target, "tsbuildinfo"),
    // as in the package that users have
    "--sourceRoot",
    pathToFileURL(join(target, "src/")).href,
  ]).catch((error: unknown) => {
    if (!existsSync(join(dist, "index.js"))) throw error;
  });
}

async function ended(args: string[], cwd: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const env: NodeJS.ProcessEnv = { ...process.env, NODE_OPTIONS: "", NO_COLOR: "1" };
  // a runner that is run by vitest must not take itself for one of its workers, nor node for a file of its own test runner
  for (const name of Object.keys(env)) {
    if (/^(VITEST|JEST|NODE_TEST|NODE_V8_COVERAGE|TEST$|FORCE_COLOR|CI$)/.test(name)) delete env[name];
  }
  try {
    return {
      code: 0,
      ...(await execute(process.execPath, args, { cwd, env, timeout: 50_000, maxBuffer: 16 * 1024 ** 2 })),
    };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: number; stdout: string; stderr: string };
    return { code: code ?? -1, stdout, stderr };
  }
}
