import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Example, IMPORT } from "./find-examples.js";

/** An example after tsc has had it. */
export interface Compiled {
  readonly errors: string[];
  /** Where it is a file, with what it imports. */
  readonly folder: string;
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
        sourceMap: true,
      },
      include: ["**/*.ts"],
    }),
  );
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(folder, "placeholders.ts"), placeholders);
  const compiled = examples.map((example, i): Compiled => {
    const own = `example-${i}`;
    mkdirSync(join(folder, own));
    for (const [name, code] of importedBy(example, examples.slice(0, i))) writeFileSync(join(folder, own, name), code);
    writeFileSync(join(folder, own, `${nameOf(example)}.ts`), moduleOf(root, example));
    return { errors: [], folder: join(folder, own), path: join(folder, "out", own, `${nameOf(example)}.js`) };
  });
  for (let parsed = false; !parsed; ) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, "-p", folder, "--pretty", "false"], {
      cwd: folder,
      encoding: "utf8",
    });
    parsed = true;
    let known = status === 0;
    for (const line of `${stdout}${stderr}`.split("\n")) {
      const { i, name, at, message } =
        /^example-(?<i>\d+)[/\\](?<name>[\w.-]+)\.ts\((?<at>\d+),\d+\): error (?<message>.*)/.exec(line)?.groups ?? {};
      const example = examples[Number(i)];
      if (example === undefined) continue;
      known = true;
      const offset = Number(at) - 1 - (isModule(example) ? 0 : LINES_BEFORE);
      // what it imports is an example itself
      if (name === nameOf(example))
        compiled[Number(i)]?.errors.push(`${example.file}:${example.line + offset}: ${message}`);
      if (message?.startsWith("TS1")) {
        // what cannot be parsed keeps the compiler from checking anything
        parsed = false;
        writeFileSync(join(folder, `example-${i}`, `${name}.ts`), "export {};\n");
      }
    }
    // an error that is no example's: of the compiler itself, of the placeholders
    if (!known) throw new Error(`${stdout}${stderr}`);
  }
  return compiled;
}

function nameOf({ name }: Example): string {
  return name ?? "program";
}

/** The files of the same document that an example imports, each as it stood last before it. */
function importedBy({ file, code }: Example, before: readonly Example[]): Map<string, string> {
  const files = new Map<string, string>();
  for (const [, name] of code.matchAll(/ from "\.\/(.+)\.js"/g)) {
    const imported = before.findLast((example) => example.file === file && example.name === name);
    if (imported === undefined) continue;
    files.set(`${name}.ts`, imported.code);
    for (const [further, source] of importedBy(imported, before)) files.set(further, source);
  }
  return files;
}

function isModule({ code }: Example): boolean {
  return IMPORT.test(code);
}

/** The example itself, if it has its imports; else in a function, with all names there that it may mean. */
function moduleOf(root: string, example: Example): string {
  if (isModule(example)) return example.code;
  const code = example.code.replaceAll("{ … }", "{}");
  // what two doors have in common is taken from the nearer one
  const doorOf = new Map(["corio", ...doorsNear(root, example.file)].flatMap((door) => publicNames(root, door)));
  const imports = [...doorOf].map(([name, door]) => `import { ${name} } from "${door}";`);
  imports.push(`import { ${exportedNames(placeholders).join(", ")} } from "../placeholders.js";`);
  const start = code.includes("await ") ? "async function*" : "function*";
  return `${imports.join(" ")}\nexport ${start} example(this: any) {\n${code}\n}\n`;
}

/** The doors of the package that a file belongs to, as far as they lead to it: the main one, and that of its folder. */
function doorsNear(root: string, file: string): string[] {
  const [folder, name, sources, subpath] = file.split("/");
  if (folder !== "packages" || name === undefined) return [];
  const { name: own, exports = {} } = JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8"));
  const doors = "." in exports ? [own] : [];
  const isDoor = exports[`./${subpath}`]?.default === `./dist/${subpath}/index.js`;
  return sources === "src" && isDoor ? [...doors, `${own}/${subpath}`] : doors;
}

/** The names that a door exports, types marked as such, each with the door. */
function publicNames(root: string, door: string): [name: string, door: string][] {
  const [name = "", ...subpath] = door.replace("@corio/", "").split("/");
  const index = join(root, "packages", name, "src", ...subpath, "index.ts");
  return exportedNames(readFileSync(index, "utf8")).map((exported) => [exported, door]);
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
