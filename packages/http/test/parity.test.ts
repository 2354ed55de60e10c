import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as http from "@corio/http";
import * as fastify from "@corio/http/fastify";
import * as hono from "@corio/http/hono";
import * as node from "@corio/node";
import * as corio from "corio";
import * as toughCookie from "tough-cookie";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const PAGE = "docs/aiohttp.md";

interface Row {
  readonly line: number;
  readonly aiohttp: readonly string[];
  readonly corio: readonly string[];
  readonly differs: string;
  /** For parameters: the functions that have them. */
  readonly of: readonly string[];
}

/** What aiohttp has, taken down from one that was installed. */
interface AiohttpNames {
  /** Its version. */
  readonly aiohttp: string;
  readonly names: readonly string[];
  /** Those of functions and constructors. */
  readonly parameters: Readonly<Record<string, readonly string[]>>;
}

const aiohttp = JSON.parse(
  readFileSync(fileURLToPath(new URL("aiohttp-names.json", import.meta.url)), "utf8"),
) as AiohttpNames;
const page = readFileSync(join(root, PAGE), "utf8");
const rows = readTables(page);

describe("docs/aiohttp.md", () => {
  test("says of which aiohttp it is", () => {
    const minor = aiohttp.aiohttp.split(".").slice(0, 2).join(".");
    expect(page).toContain(`The public names of aiohttp ${minor}:`);
  });

  test("names something on one side at least, and says what to write where we have nothing", () => {
    const empty = rows.filter((row) => row.corio.length === 0 && (row.aiohttp.length === 0 || row.differs === ""));
    expect(empty).toEqual([]);
  });

  test("has all public names of aiohttp", () => {
    const documented = new Set(rows.flatMap((row) => (row.of.length > 0 ? [] : row.aiohttp)));
    expect(aiohttp.names.length).toBeGreaterThan(600);
    expect(aiohttp.names.filter((name) => !documented.has(name))).toEqual([]);
  });

  test("has no name that aiohttp does not have", () => {
    const unknown = rows.flatMap(({ aiohttp: names, of, line }) =>
      of.length > 0 ? [] : names.filter((name) => !aiohttp.names.includes(name)).map((name) => `${line}: ${name}`),
    );
    expect(unknown).toEqual([]);
  });

  test("has all parameters", () => {
    const missing = Object.entries(aiohttp.parameters).flatMap(([fn, names]) =>
      names
        .filter((name) => !rows.some((row) => row.of.includes(fn) && row.aiohttp.includes(name)))
        .map((name) => `${name} of ${fn}`),
    );
    expect(missing).toEqual([]);
  });

  test("has no parameter that aiohttp does not have", () => {
    const unknown = rows.flatMap(({ aiohttp: names, of, line }) => {
      if (of.length === 0) return [];
      const known = of.map((fn) => aiohttp.parameters[fn] ?? [`no function ${fn}`]).flat();
      return names.filter((name) => !known.includes(name)).map((name) => `${line}: ${name}`);
    });
    expect(unknown).toEqual([]);
    expect(rows.flatMap(({ of }) => of).filter((fn) => !(fn in aiohttp.parameters))).toEqual([]);
  });

  test("gives each name of aiohttp once", () => {
    const names = rows.flatMap(({ aiohttp: names, of }) => {
      const owners = of.length > 0 ? of : ["aiohttp"];
      return owners.flatMap((owner) => names.map((name) => `${name} of ${owner}`));
    });
    expect(names.filter((name, i) => names.indexOf(name) < i)).toEqual([]);
  });

  test("gives names that we have", () => {
    const wrong = rows.flatMap(({ corio, line }) =>
      corio.filter((name) => !exists(name)).map((name) => `${PAGE}:${line}: ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test("would tell of names that we do not have", () => {
    const have = [
      "ClientSession.get",
      "SessionOptions.limit", // of the interface itself
      "SessionOptions.headers", // of one that it extends and that is not let out
      "SessionOptions.proxy", // of another that it extends
      "ClientResponse.headers",
      "StreamReader.readline",
      "RequestBody",
      "CookieJar.setCookieSync",
      "Request.json",
      "middleware",
      "@corio/http/hono",
    ];
    const lack = [
      "ClientSession.fetch",
      "ClientSession.name", // every function has one
      "SessionOptions.connector",
      "ClientResponse.content",
      "RequestBody.size",
      "CookieJar.load",
      "Request.remote",
      "perform", // not let out
      "@corio/http/express",
    ];
    expect([...have, ...lack].filter((name) => !exists(name))).toEqual(lack);
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
    if (cells.length !== 3) throw new Error(`${PAGE}:${i + 1}: ${cells.length} cells instead of 3`);
    const [left = "", right = "", differs = ""] = cells.map((cell) => cell.trim());
    if (!inTable) inTable = true;
    else if (!left.startsWith("---"))
      rows.push({ line: i + 1, aiohttp: codes(left), corio: codes(right), differs, of });
  }
  return rows;
}

function codes(text: string): string[] {
  return [...text.matchAll(/`([^`]*)`/g)].map(([, code = ""]) => code);
}

/** The doors of ours that the page speaks of, the nearest first: what they let out at run time, and where its types stand. */
const DOORS = [
  { exports: http, folder: "http", door: "index.ts" },
  { exports: hono, folder: "http", door: "adapters/hono.ts" },
  { exports: fastify, folder: "http", door: "adapters/fastify.ts" },
  { exports: node, folder: "node", door: "index.ts" },
  { exports: corio, folder: "corio", door: "index.ts" },
];

/**
 * Whether there is such an export, `name`, or such a member of an exported class or interface, `Name.member`; of our packages, of
 * tough-cookie, or of the platform. A path with a slash is one of our doors.
 */
function exists(path: string): boolean {
  if (path.includes("/")) return isDoor(path);
  const [name = "", member] = path.split(".");
  for (const { exports, folder, door } of DOORS) {
    const isType = typesOf(folder, door).includes(name);
    if (!isType && !(name in exports)) continue;
    if (member === undefined) return true;
    return hasMember((exports as Record<string, unknown>)[name], member) || membersOf(folder, name).includes(member);
  }
  const foreign: Record<string, unknown> = name === "CookieJar" ? toughCookie : globalThis;
  return name in foreign && (member === undefined || hasMember(foreign[name], member));
}

function isDoor(path: string): boolean {
  const { exports } = JSON.parse(readFileSync(join(root, "packages/http/package.json"), "utf8"));
  return path.startsWith("@corio/http/") && path.replace("@corio/http", ".") in exports;
}

/** Whether the objects of a class have it, or the class itself. */
function hasMember(value: unknown, member: string): boolean {
  if (typeof value !== "function") return false;
  const isStatic = Object.hasOwn(value, member) && !Object.hasOwn(Function.prototype, member) && member !== "prototype";
  return isStatic || (typeof value.prototype === "object" && member in value.prototype);
}

/** The types that a door lets out. */
function typesOf(folder: string, door: string): string[] {
  const index = readFileSync(join(root, "packages", folder, "src", door), "utf8");
  return [...index.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, type, names = ""]) =>
    names
      .split(",")
      .map((name) => name.trim())
      .filter((name) => type !== undefined || name.startsWith("type "))
      .map((name) => name.replace(/^type /, "")),
  );
}

/** The members that the source of a class or an interface declares, with those of what it extends. */
function membersOf(folder: string, name: string): string[] {
  for (const text of sourcesOf(folder)) {
    const declaration = new RegExp(
      `^(?:export )?(?:abstract )?(?:class|interface) ${name}\\b(?<head>[^{]*)\\{\\}?(?<body>.*?)^(?:\\}|export )`,
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

const read = new Map<string, string[]>();

function sourcesOf(folder: string): string[] {
  const known = read.get(folder);
  if (known !== undefined) return known;
  const src = join(root, "packages", folder, "src");
  const sources = readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(join(src, file), "utf8"));
  read.set(folder, sources);
  return sources;
}
