import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as node from "@corio/node";
import * as corio from "corio";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../../", import.meta.url));

interface Row {
  readonly line: number;
  readonly python: readonly string[];
  readonly corio: readonly string[];
  readonly differs: string;
  /** For parameters: the functions that have them. */
  readonly of: readonly string[];
}

const rows = readTables(readFileSync(join(root, "docs", "asyncio-network.md"), "utf8"));
const python = introspect();

describe("docs/asyncio-network.md", () => {
  test("has rows of names and of parameters", () => {
    expect(rows.filter(({ of }) => of.length === 0).length).toBeGreaterThan(100);
    expect(rows.filter(({ of }) => of.length > 0).length).toBeGreaterThan(50);
  });

  test("names something on one side at least, and says why where corio has nothing", () => {
    const empty = rows.filter(({ python, corio, differs }) => corio.length === 0 && (python.length === 0 || !differs));
    expect(empty).toEqual([]);
  });

  test("gives each name of asyncio once", () => {
    const names = rows.flatMap(({ python, of }) =>
      python.map((name) => `${name}${of.length > 0 ? ` of ${of[0]}` : ""}`),
    );
    expect(names.filter((name, i) => names.indexOf(name) < i)).toEqual([]);
  });

  test("gives names that corio and @corio/node have", () => {
    const wrong = rows.flatMap(({ corio, line }) =>
      corio.filter((name) => !exists(name)).map((name) => `docs/asyncio-network.md:${line}: ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test("would tell of names that they do not have", () => {
    const names = ["openConnection", "connectTo", "Transport.close", "Transport.open", "Protocol.dataReceived"];
    expect(names.filter((name) => !exists(name))).toEqual(["connectTo", "Transport.open"]);
    expect(exists("ThreadPoolExecutorOptions.maxWorkers")).toBe(true);
    expect(exists("ThreadPoolExecutorOptions.minWorkers")).toBe(false);
  });

  describe.skipIf(python === undefined)("beside a CPython that is here", () => {
    const { version = "", names = [], parameters = {}, known = [] } = python ?? {};
    const documented = new Set(rows.flatMap(({ python, of }) => (of.length > 0 ? [] : python)));

    test("has all public names of asyncio", () => {
      expect(names.length).toBeGreaterThan(100);
      expect(names.filter((name) => !documented.has(name))).toEqual([]);
    });

    test("has all parameters that may be left out", () => {
      const missing = Object.entries(parameters).flatMap(([fn, names]) =>
        names
          .filter((name) => !rows.some(({ python, of }) => of.includes(fn) && python.includes(name)))
          .map((name) => `${name} of ${fn}`),
      );
      expect(missing).toEqual([]);
    });

    // an older one does not have them all
    test.skipIf(!version.startsWith("3.14"))("has no name that asyncio does not have", () => {
      expect([...documented].filter((name) => !known.includes(name))).toEqual([]);
      const unknown = rows.flatMap(({ python, of }) =>
        python.filter(
          (name) =>
            !of.every((fn) => fn in parameters) || (of.length > 0 && !of.some((fn) => parameters[fn]?.includes(name))),
        ),
      );
      expect(unknown).toEqual([]);
    });
  });
});

function readTables(text: string): Row[] {
  const rows: Row[] = [];
  let of: string[] = [];
  let inTable = false;
  for (const [i, line] of text.split("\n").entries()) {
    if (!line.startsWith("|")) {
      if (line !== "") of = line.startsWith("Of `") ? codes(line) : [];
      inTable = false;
      continue;
    }
    const cells = line.slice(1, -1).split("|");
    if (cells.length !== 3) throw new Error(`docs/asyncio-network.md:${i + 1}: ${cells.length} cells instead of 3`);
    const [left = "", right = "", differs = ""] = cells.map((cell) => cell.trim());
    if (!inTable) inTable = true;
    else if (!left.startsWith("---")) rows.push({ line: i + 1, python: codes(left), corio: codes(right), differs, of });
  }
  return rows;
}

function codes(text: string): string[] {
  return [...text.matchAll(/`([^`]*)`/g)].map(([, code = ""]) => code);
}

/** Whether there is such an export, `name`, or such a member of an exported class or interface, `Name.member`. */
function exists(path: string): boolean {
  const [name = "", member] = path.split(".");
  const folder = exportsOf("node").includes(name) ? "node" : exportsOf("corio").includes(name) ? "corio" : undefined;
  if (folder === undefined) return false;
  if (member === undefined) return true;
  const value = { ...corio, ...node }[name as keyof typeof corio] as { prototype?: object } | undefined;
  return (value?.prototype !== undefined && member in value.prototype) || membersOf(folder, name).includes(member);
}

/** What the package's door lets out, types included. */
function exportsOf(folder: string): string[] {
  const index = readFileSync(join(root, "packages", folder, "src", "index.ts"), "utf8");
  return [...index.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, names = ""]) =>
    names.split(",").map((name) => name.replace(/^\s*(?:type\s+)?/, "").trim()),
  );
}

/** The members that the source of a class or an interface declares, with those of what it extends. */
function membersOf(folder: string, name: string): string[] {
  for (const text of sourcesOf(folder)) {
    const declaration = new RegExp(
      `^export (?:abstract )?(?:class|interface) ${name}\\b(?<head>[^{]*)\\{\\}?(?<body>.*?)^(?:\\}|export )`,
      "msu",
    ).exec(`${text}\n}`)?.groups;
    if (declaration === undefined) continue;
    const { head = "", body = "" } = declaration;
    const own = head.trimEnd().endsWith("{}")
      ? []
      : [...body.matchAll(/^ {2}(?:(?:readonly|get|set|override|abstract) )*\*?(\w+)\??[(:<]/gm)].map(
          ([, member = ""]) => member,
        );
    const parents = /\bextends (?<names>[\w, ]+)/.exec(head)?.groups?.["names"]?.split(",") ?? [];
    return [...own, ...parents.flatMap((parent) => membersOf(folder, parent.trim()))];
  }
  return [];
}

function sourcesOf(folder: string): string[] {
  const src = join(root, "packages", folder, "src");
  return readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(join(src, file), "utf8"));
}

interface Introspection {
  readonly version: string;
  /** The public names of which the page tells. */
  readonly names: string[];
  /** The parameters of functions that have a default, or can only be given by name. */
  readonly parameters: Record<string, string[]>;
  /** Which of the page's names there are. */
  readonly known: string[];
}

/** What a CPython says of its asyncio; `undefined` where there is none, or one that is newer than the page. */
function introspect(): Introspection | undefined {
  const cached = join(root, "benchmarks", ".cache", "python", "python3");
  const names = fileURLToPath(new URL("asyncio-names.py", import.meta.url));
  const documented = rows.flatMap(({ python, of }) => (of.length > 0 ? of : python));
  for (const program of existsSync(cached) ? [cached, "python3"] : ["python3"]) {
    const { status, stdout } = spawnSync(program, [names], {
      encoding: "utf8",
      input: JSON.stringify(documented),
    });
    if (status === 0) return JSON.parse(stdout) as Introspection;
  }
  return undefined;
}
