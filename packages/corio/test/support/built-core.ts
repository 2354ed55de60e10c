import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync, symlinkSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

const core = fileURLToPath(new URL("../../", import.meta.url));
const compiler = fileURLToPath(new URL("../../../../node_modules/typescript/bin/tsc", import.meta.url));
const run = promisify(execFile);

/** How a program ended. */
interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The core as Node itself runs it, in a folder of its own, for tests whose subject is a whole process. */
export interface BuiltCore {
  /** The address of its index.js. */
  readonly url: string;
  /** Runs an ES module that may import "corio" in a process of its own, for at most 50 seconds. */
  runProgram(source: string, options?: { env?: Record<string, string>; args?: readonly string[] }): Promise<Ended>;
  /** Copies it, for programs that load two of them. Returns the address of the copy's index.js. */
  copy(name: string): string;
  remove(): void;
}

/** Compiles the core; takes about a second. With CORIO_BUILT=1 it takes what was built. */
export async function buildCore(): Promise<BuiltCore> {
  const folder = mkdtempSync(join(tmpdir(), "corio-test-"));
  const dist = join(folder, "core", "dist");
  mkdirSync(dist, { recursive: true });
  cpSync(join(core, "package.json"), join(folder, "core", "package.json"));
  if (process.env["CORIO_BUILT"] === "1") cpSync(join(core, "dist"), dist, { recursive: true });
  else {
    const emitting = ["--outDir", dist, "--tsBuildInfoFile", join(folder, "tsbuildinfo")];
    // it emits although there are errors of types, which are another test's to find
    await run(process.execPath, [compiler, "-p", core, ...emitting]).catch((error: unknown) => {
      if (!existsSync(join(dist, "index.js"))) throw error;
    });
  }
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(join(folder, "core"), join(folder, "node_modules", "corio"), "dir");
  let programs = 0;
  return {
    url: pathToFileURL(join(dist, "index.js")).href,
    async runProgram(source, { env = {}, args = [] } = {}) {
      const file = join(folder, `program-${programs++}.mjs`);
      writeFileSync(file, source);
      try {
        const ended = await run(process.execPath, [...args, file], {
          env: { ...process.env, NODE_OPTIONS: "", ...env },
          timeout: 50_000,
        });
        return { code: 0, ...ended };
      } catch (error) {
        const { code, stdout, stderr } = error as { code?: number; stdout: string; stderr: string };
        return { code: code ?? -1, stdout, stderr };
      }
    },
    copy(name) {
      cpSync(join(folder, "core"), join(folder, name), { recursive: true });
      return pathToFileURL(join(folder, name, "dist", "index.js")).href;
    },
    remove() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
