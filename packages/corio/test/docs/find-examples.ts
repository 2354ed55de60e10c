import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

/** A piece of code in the documentation. */
export interface Example {
  /** Of the repository, with forward slashes. */
  readonly file: string;
  /** The line of its first line, from 1. */
  readonly line: number;
  readonly code: string;
  /** The file that it is, if its first line says so: `// cache.ts`. Later examples of the same document may import that. */
  readonly name: string | undefined;
  /** Whether it is run, and not only type-checked. */
  readonly isProgram: boolean;
  /** What it prints, if the documentation says so. */
  readonly output: string | undefined;
}

/** All examples of a repository: the `ts` blocks of its Markdown and the `@example`s of its packages' sources. */
export function findExamples(root: string): Example[] {
  const packages = readdirSync(join(root, "packages")).map((name) => join(root, "packages", name));
  const markdown = [
    join(root, "README.md"),
    ...packages.map((folder) => join(folder, "README.md")),
    ...filesBelow(join(root, "docs"), ".md"),
  ];
  const sources = packages.flatMap((folder) => filesBelow(join(folder, "src"), ".ts"));
  return [...examplesOf(markdown, inMarkdown), ...examplesOf(sources, inDocComments)];

  function examplesOf(files: string[], find: (text: string) => Omit<Example, "file">[]): Example[] {
    return files.flatMap((file) =>
      find(read(file)).map((example) => ({ file: relative(root, file).replaceAll("\\", "/"), ...example })),
    );
  }
}

function filesBelow(folder: string, ending: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(ending) && !name.includes("node_modules"))
      .toSorted((a, b) => a.localeCompare(b))
      .map((name) => join(folder, name));
  } catch {
    return []; // no such folder
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // no such file
  }
}

// A block of TypeScript, and the block of text that follows it, if there is one.
const BLOCK = /^```ts(?<options>[^\n]*)\n(?<code>.*?)^```$(?:\s*^```text\n(?<output>.*?)^```$)?/gmsu;

function inMarkdown(text: string): Omit<Example, "file">[] {
  return [...text.matchAll(BLOCK)].map(({ index, groups = {} }) => {
    const { options = "", code = "", output } = groups;
    const runs = IMPORT.test(code) && STARTS.test(code) && !IS_TEST.test(code);
    const isProgram = runs && !options.includes("no-run");
    return { line: lineAt(text, index) + 1, code, name: NAME.exec(code)?.groups?.["name"], isProgram, output };
  });
}

// What starts a program.
const STARTS = /\b(?:run|runVirtually|VirtualLoop|(?:explore|replay)(?:Async)?)\(/;

// Tests are run by their runner only.
const IS_TEST = /from "(?:vitest|node:test|@corio\/testing\/(?:vitest|node-test|jest))"/;

// The first line of a file that has a name.
const NAME = /^\/\/ (?<name>[\w.-]+)\.ts\n/;

/** What makes an example a module of its own. */
export const IMPORT = /^import /m;

// From the tag to the next one, or to the end of the comment.
const TAG = /^(?<indent> *)\* @example *\n(?<lines>.*?)^ *\*(?:\/| @)/gmsu;

function inDocComments(text: string): Omit<Example, "file">[] {
  return [...text.matchAll(TAG)].map(({ index, groups = {} }) => ({
    line: lineAt(text, index) + 1,
    code: (groups["lines"] ?? "").replaceAll(/^ *\* ?/gm, ""),
    name: undefined,
    isProgram: false,
    output: undefined,
  }));
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
