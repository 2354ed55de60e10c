import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Compiled, compileExamples } from "./compile-examples.js";
import { findExamples } from "./find-examples.js";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const examples = findExamples(root);

describe("an example of the documentation", () => {
  let folder: string;
  let compiled: Compiled[];

  beforeAll(() => {
    // inside of the repository, so that the packages are found from there
    mkdirSync(join(root, ".cache"), { recursive: true });
    folder = mkdtempSync(join(root, ".cache", "docs-"));
    compiled = compileExamples(root, folder, examples);
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  for (const [i, { file, line, isProgram, output }] of examples.entries()) {
    const where = `${file}:${line}`;

    test(`${where} is right`, () => {
      expect(compiled[i]?.errors).toEqual([]);
    });

    if (!isProgram) continue;
    test(`${where} runs${output === undefined ? "" : " and prints what is said"}`, async () => {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [compiled[i]?.path ?? ""], {
        timeout: 50_000,
      });
      expect(stderr).toBe("");
      if (output !== undefined) expect(stdout.trim()).toBe(output.trim());
    });
  }
});
