import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const dist = fileURLToPath(new URL("../dist", import.meta.url));

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
});
