import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const tsc = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")));

/**
 * Tests that a package lets out what it should, with a docstring each.
 *
 * @param folder of the package
 * @param expected all names, in the order of the alphabet, types as `type name`
 * @param module what importing the package gives
 */
export function describeExports(folder: string, expected: readonly string[], module: object): void {
  describe("what the package exports", () => {
    const sources = filesBelow(join(folder, "src"), ".ts");
    const exported = exportsOf(readFileSync(join(folder, "src", "index.ts"), "utf8"));

    test("is this", () => {
      expect(exported).toEqual(expected);
    });

    test("is there at run time, but for the types", () => {
      expect(Object.keys(module).toSorted(byName)).toEqual(expected.filter((name) => !name.startsWith("type ")));
    });

    test("has a docstring each", () => {
      const bare = exported.filter((name) => !sources.some(([, text]) => isDocumentedIn(text, name)));
      expect(bare).toEqual([]);
    });
  });
}

/**
 * Tests that the README has a table with every code of an error that a package raises.
 *
 * @param folder of the package
 * @param others codes that stand elsewhere
 */
export function describeErrorCodes(folder: string, others: readonly string[] = []): void {
  test("every error's code is in the README's table", () => {
    const readme = readFileSync(join(folder, "README.md"), "utf8");
    const sources = filesBelow(join(folder, "src"), ".ts");
    const codes = sources.flatMap(([, text]) => [...text.matchAll(/"(ERR_CORIO_\w+)"/g)].map(([, code = ""]) => code));
    expect(codes.length).toBeGreaterThan(5);
    const table = new Set(
      [...readme.matchAll(/^\| (`ERR_[^|]*) \|/gm)].flatMap(([, cell = ""]) => cell.match(/\w+/g) ?? []),
    );
    expect(codes.filter((code) => !others.includes(code) && !table.has(code))).toEqual([]);
  });
}

/**
 * Tests the declarations that users of a package get: no `any`, and nothing in them that is missing from them.
 *
 * @param folder of the package
 * @param options `types`: what of `@types` a user has besides, default nothing; `doors`: the files that can be imported, default
 * `index`; `least`: how many files there are at least, default 20
 */
export function describeDeclarations(
  folder: string,
  { types = "", doors = ["index"], least = 20 }: { types?: string; doors?: readonly string[]; least?: number } = {},
): void {
  describe("the built declarations", () => {
    const dist = join(folder, "dist");
    const declarations = filesBelow(dist, ".d.ts").map(([file, text]) => [
      file,
      text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ""),
    ]);

    test("are there: `npm run build` makes them", () => {
      expect(declarations.length).toBeGreaterThan(least);
    });

    test("have no `any`", () => {
      const found = declarations.flatMap(([file, text = ""]) =>
        text
          .split("\n")
          .flatMap((line) => (/[:<|&,=(]\s*any\b|\bany\[\]/.test(line) ? [`${file}: ${line.trim()}`] : [])),
      );
      expect(found).toEqual([]);
    });

    // what is internal is left out of them, and nothing that is left in may need it
    test.each(["esnext,dom", "esnext", "es2023,esnext.disposable"])(
      "hold together for a user who checks libraries, with lib %s",
      (lib) => {
        const options = ["--ignoreConfig", "--noEmit", "--strict", "--skipLibCheck", "false", "--target", "es2022"];
        const files = doors.map((door) => join(dist, `${door}.d.ts`));
        const { stdout } = spawnSync(
          process.execPath,
          [tsc, ...options, "--module", "nodenext", "--types", types, "--lib", lib, ...files],
          { encoding: "utf8", cwd: folder },
        );
        expect(stdout).toBe("");
      },
    );
  });
}

function filesBelow(path: string, ending: string): [file: string, text: string][] {
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(ending))
    .map((file) => [file, readFileSync(join(path, file), "utf8")]);
}

/** All names that `index.ts` lets out, types by `type name`. */
function exportsOf(index: string): string[] {
  return [...index.matchAll(/^export (type )?\{([^}]*)\}/gm)]
    .flatMap(([, type, names = ""]) =>
      names
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== "")
        .map((name) => (type === undefined || name.startsWith("type ") ? name : `type ${name}`)),
    )
    .toSorted(byName);
}

function isDocumentedIn(source: string, name: string): boolean {
  const declaration = new RegExp(
    `(?<doc>\\*/\\n)?^export (?:abstract )?(?:const|class|function\\*?|interface|type) ${name.replace("type ", "")}\\b`,
    "m",
  );
  return declaration.exec(source)?.groups?.["doc"] !== undefined;
}

function byName(a: string, b: string): number {
  const [first, second] = [a, b].map((name) => name.replace("type ", "").toLowerCase()) as [string, string];
  if (first === second) return a.replace("type ", "") < b.replace("type ", "") ? -1 : 1;
  return first < second ? -1 : 1;
}
