import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const program = fileURLToPath(new URL("./fixtures/program.ts", import.meta.url));
const work = new URL("./fixtures/work.js", import.meta.url).href;
const root = fileURLToPath(new URL("../../../../", import.meta.url));
const require = createRequire(import.meta.url);
const hasTypes = ((process.features as { typescript?: unknown }).typescript ?? false) !== false;

async function printed(...args: string[]): Promise<{ results: unknown[]; refused: string }> {
  const { stdout } = await promisify(execFile)(process.execPath, [...args, work], {
    cwd: root,
    env: { ...process.env, NODE_OPTIONS: "" },
    timeout: 50_000,
  });
  return JSON.parse(stdout) as { results: unknown[]; refused: string };
}

const digest = createHash("md5").update("abc").digest("hex");
const expected = ["cba abc+reversed abcabc twice Joined", digest, digest, 25];

describe("functions run in workers, by their texts and by their modules,", () => {
  test("under tsx", async () => {
    const { results, refused } = await printed("--import", "tsx", program);
    expect(results).toEqual(expected);
    expect(refused).toContain("declared outside of it, and only its text goes there: createHash.");
  });

  test("under the corio command", async () => {
    const { results } = await printed(join(root, "packages/cli/dist/bin.js"), "run", program);
    expect(results).toEqual(expected);
  });

  test.runIf(hasTypes)("under Node alone, where it knows TypeScript", async () => {
    const { results, refused } = await printed(program);
    expect(results).toEqual(expected);
    expect(refused).toContain("createHash.");
  });

  describe("in a bundle of esbuild", () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "corio-bundle-"));
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test.each([
      ["esm", false],
      ["esm", true],
      ["cjs", false],
      ["cjs", true],
    ] as const)("as %s, minified: %s", async (format, minify) => {
      const outfile = join(folder, `${format}-${String(minify)}.${format === "esm" ? "mjs" : "cjs"}`);
      await build({
        entryPoints: [program],
        outfile,
        bundle: true,
        platform: "node",
        format,
        minify,
        keepNames: true,
        // imports of dynamic kind become calls of require
        ...(format === "cjs" && { supported: { "dynamic-import": false } }),
        logLevel: "error",
        plugins: [
          {
            name: "packages stay outside",
            setup({ onResolve }) {
              onResolve({ filter: /^corio$/ }, () => ({ path: require.resolve("corio"), external: true }));
              onResolve({ filter: /\/dist\// }, ({ path, resolveDir }) => ({
                path: join(resolveDir, path),
                external: true,
              }));
            },
          },
        ],
      });
      const { results, refused } = await printed(outfile);
      expect(results).toEqual(expected);
      expect(refused).toContain(minify ? "declared outside of it" : ": createHash");
    });

    test.each(["esm", "cjs"] as const)("that took in @corio/node, too (%s), say what is wrong", async (format) => {
      const outfile = join(folder, `all-${format}.${format === "esm" ? "mjs" : "cjs"}`);
      await build({
        entryPoints: [program],
        outfile,
        bundle: true,
        platform: "node",
        format,
        logLevel: "error",
        logOverride: { "empty-import-meta": "silent" },
      });
      await expect(printed(outfile)).rejects.toThrow(/Leave @corio\/node out of the bundle/);
    });
  });
});
