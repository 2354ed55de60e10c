import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Example, IMPORT } from "./find-examples.js";

/** An example after tsc has had it. */
export interface Compiled {
  readonly errors: string[];
  /** The JavaScript file that was made of it. */
  readonly path: string;
}

// How many lines the wrapping puts before the code.
const LINES_BEFORE = 2;

const tsc = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")));
const placeholders = readFileSync(new URL("placeholders.ts", import.meta.url), "utf8");

/** Type-checks examples as a user's code would be, against the built packages, and makes JavaScript of them in a folder. */
export function compileExamples(root: string, folder: string, examples: readonly Example[]): Compiled[] {
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({
      extends: join(root, "tsconfig.base.json"),
      compilerOptions: {
        types: ["node"],
        rootDir: ".",
        outDir: "out",
        noImplicitReturns: false,
        declaration: false,
        declarationMap: false,
        sourceMap: false,
      },
      include: ["*.ts"],
    }),
  );
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(folder, "placeholders.ts"), placeholders);
  for (const [i, example] of examples.entries())
    writeFileSync(join(folder, `example-${i}.ts`), moduleOf(root, example));

  const compiled = examples.map((_, i): Compiled => ({ errors: [], path: join(folder, "out", `example-${i}.js`) }));
  for (let parsed = false; !parsed; ) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, "-p", folder, "--pretty", "false"], {
      cwd: folder,
      encoding: "utf8",
    });
    parsed = true;
    let known = status === 0;
    for (const line of `${stdout}${stderr}`.split("\n")) {
      const { i, at, message } =
        /^example-(?<i>\d+)\.ts\((?<at>\d+),\d+\): error (?<message>.*)/.exec(line)?.groups ?? {};
      const example = examples[Number(i)];
      if (example === undefined) continue;
      known = true;
      const offset = Number(at) - 1 - (isModule(example) ? 0 : LINES_BEFORE);
      compiled[Number(i)]?.errors.push(`${example.file}:${example.line + offset}: ${message}`);
      if (message?.startsWith("TS1")) {
        // what cannot be parsed keeps the compiler from checking anything
        parsed = false;
        writeFileSync(join(folder, `example-${i}.ts`), "export {};\n");
      }
    }
    // an error that is no example's: of the compiler itself, of the placeholders
    if (!known) throw new Error(`${stdout}${stderr}`);
  }
  return compiled;
}

function isModule({ code }: Example): boolean {
  return IMPORT.test(code);
}

/** The example itself, if it has its imports; else in a function, with all names there that it may mean. */
function moduleOf(root: string, example: Example): string {
  if (isModule(example)) return example.code;
  const code = example.code.replaceAll("{ … }", "{}");
  const packages = new Set(["corio", packageOf(root, example.file)]);
  const imports = [...packages].map((name) => `import { ${publicNames(root, name).join(", ")} } from "${name}";`);
  imports.push(`import { ${exportedNames(placeholders).join(", ")} } from "./placeholders.js";`);
  const start = code.includes("await ") ? "async function*" : "function*";
  return `${imports.join(" ")}\nexport ${start} example(this: any) {\n${code}\n}\n`;
}

function packageOf(root: string, file: string): string {
  const [folder, name] = file.split("/");
  if (folder !== "packages" || name === undefined) return "corio";
  const manifest = JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8"));
  return "." in (manifest.exports ?? {}) ? manifest.name : "corio";
}

function publicNames(root: string, packageName: string): string[] {
  const index = join(root, "packages", packageName.replace("@corio/", ""), "src", "index.ts");
  return exportedNames(readFileSync(index, "utf8"));
}

function exportedNames(source: string): string[] {
  const declared = [
    ...source.matchAll(/^export (?:declare )?(?<kind>const|class|function\*?|interface|type) (?<name>\w+)/gm),
  ].map(({ groups = {} }) =>
    groups["kind"] === "interface" || groups["kind"] === "type" ? `type ${groups["name"]}` : (groups["name"] ?? ""),
  );
  const listed = [...source.matchAll(/^export (?<type>type )?\{(?<names>[^}]*)\}/gm)].flatMap(({ groups = {} }) =>
    (groups["names"] ?? "")
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "")
      .map((name) => (groups["type"] === undefined ? name : `type ${name}`)),
  );
  return [...declared, ...listed];
}
