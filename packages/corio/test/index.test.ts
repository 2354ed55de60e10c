import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const dist = fileURLToPath(new URL("../dist", import.meta.url));

const tsc = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")));

/** The declarations that users get, without their comments. */
function declarations(): [file: string, text: string][] {
  return readdirSync(dist, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".d.ts"))
    .map((file) => [file, readFileSync(join(dist, file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "")]);
}

describe("the built declarations", () => {
  test("are there: `npm run build` makes them", () => {
    expect(declarations().length).toBeGreaterThan(40);
  });

  test("have no `any`", () => {
    const found = declarations().flatMap(([file, text]) =>
      text.split("\n").flatMap((line) => (/[:<|&,=(]\s*any\b|\bany\[\]/.test(line) ? [`${file}: ${line.trim()}`] : [])),
    );
    expect(found).toEqual([]);
  });

  // what is internal is left out of them, and nothing that is left in may need it
  test.each(["esnext,dom", "esnext", "es2023,esnext.disposable"])(
    "hold together for a user who checks libraries, with lib %s",
    (lib) => {
      const options = [
        "--ignoreConfig",
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "false",
        "--target",
        "es2022",
        "--module",
        "nodenext",
      ];
      const { stdout } = spawnSync(
        process.execPath,
        [tsc, ...options, "--types", "", "--lib", lib, join(dist, "index.d.ts")],
        { encoding: "utf8" },
      );
      expect(stdout).toBe("");
    },
  );
});
