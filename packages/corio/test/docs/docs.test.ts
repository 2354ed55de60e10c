import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Compiled, compileExamples } from "./compile-examples.js";
import { findExamples } from "./find-examples.js";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const examples = findExamples(root);

// An error that ends a program is printed as a test runner prints it: its name and its message.
const PRINT_ERRORS = `process.on("uncaughtException", (error) => {
  console.log(\`\${error.name}: \${error.message}\`);
  process.exitCode = 1;
});`;

describe("an example of the documentation", () => {
  let folder: string;
  let compiled: Compiled[];

  beforeAll(() => {
    // inside of the repository, so that the packages are found from there
    mkdirSync(join(root, ".cache"), { recursive: true });
    folder = mkdtempSync(join(root, ".cache", "docs-"));
    compiled = compileExamples(root, folder, examples);
    writeFileSync(join(folder, "print-errors.mjs"), PRINT_ERRORS);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  for (const [i, { file, line, isProgram, output }] of examples.entries()) {
    const where = `${file}:${line}`;

    test(`${where} is right`, () => {
      expect(compiled[i]?.errors).toEqual([]);
    });

    if (!isProgram) continue;
    test(`${where} runs${output === undefined ? "" : " and prints what is said"}`, async () => {
      const { path = "", folder: cwd = "" } = compiled[i] ?? {};
      const preload = pathToFileURL(join(folder, "print-errors.mjs")).href;
      const args = ["--enable-source-maps", "--import", preload, path];
      const running = promisify(execFile)(process.execPath, args, { cwd, timeout: 50_000 });
      // a program that ends with an error has said so
      const { stdout, stderr } = await running.catch((error) => {
        if (error.code !== 1 || output === undefined) throw error;
        return error as { stdout: string; stderr: string };
      });
      expect(stderr).toBe("");
      if (output !== undefined) expect(stdout.trim()).toBe(output.trim());
    });
  }
});
