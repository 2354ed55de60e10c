import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as node from "@corio/node";
import { describe, expect, test } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));
const dist = join(folder, "dist");
const tsc = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")));
const sources = filesBelow(join(folder, "src"), ".ts");

const EXPORTS = [
  "addSignalHandler",
  "type ClientTlsOptions",
  "connectAcceptedSocket",
  "type ConnectionHandler",
  "ConnectionLostError",
  "type ConnectOptions",
  "connectReadPipe",
  "connectWritePipe",
  "createConnection",
  "createDatagramEndpoint",
  "createServer",
  "createSubprocessExec",
  "createSubprocessShell",
  "createUnixConnection",
  "createUnixServer",
  "CurrentWork",
  "currentWork",
  "type DatagramAddress",
  "type DatagramEndpointOptions",
  "type DatagramExtraInfo",
  "type DatagramHost",
  "type DatagramProtocol",
  "DatagramTransport",
  "type ErrorClass",
  "Events",
  "type ExecOptions",
  "type ExtraInfo",
  "getaddrinfo",
  "type GetaddrinfoOptions",
  "getnameinfo",
  "type Inherited",
  "type ListeningSocket",
  "type NameInfo",
  "on",
  "once",
  "type OnOptions",
  "openConnection",
  "openUnixConnection",
  "type Piped",
  "PoolExecutor",
  "type PoolExecutorOptions",
  "Process",
  "ProcessPoolExecutor",
  "type ProcessPoolExecutorOptions",
  "type Protocol",
  "ReaderCursor",
  "removeSignalHandler",
  "type ResolvedAddress",
  "runMain",
  "type Separator",
  "Server",
  "type ServerOptions",
  "type ShellOptions",
  "startServer",
  "startTls",
  "type StartTlsOptions",
  "startUnixServer",
  "type StdioTarget",
  "type StreamLimit",
  "StreamReader",
  "StreamWriter",
  "type SubprocessOptions",
  "ThreadPoolExecutor",
  "type ThreadPoolExecutorOptions",
  "toThread",
  "transfer",
  "type Transferable",
  "Transport",
  "type WorkerFunction",
  "workerFunction",
  "type WorkerFunctionName",
  "type WorkerFunctionOptions",
  "type WorkerFunctions",
  "workerFunctions",
  "type WriteBufferLimits",
];

describe("what the package exports", () => {
  test("is this", () => {
    expect(exports()).toEqual(EXPORTS);
  });

  test("is there at run time, but for the types", () => {
    expect(Object.keys(node).toSorted(byName)).toEqual(EXPORTS.filter((name) => !name.startsWith("type ")));
  });

  test("has a docstring each", () => {
    const bare = exports().filter((name) => !isDocumented(name));
    expect(bare).toEqual([]);
  });
});

describe("an error's code", () => {
  test("is in the README's table", () => {
    const readme = readFileSync(join(folder, "README.md"), "utf8");
    const codes = sources.flatMap(([, text]) => [...text.matchAll(/"(ERR_CORIO_\w+)"/g)].map(([, code = ""]) => code));
    expect(codes.length).toBeGreaterThan(20);
    const table = new Set(
      [...readme.matchAll(/^\| (`ERR_[^|]*) \|/gm)].flatMap(([, cell = ""]) => cell.match(/\w+/g) ?? []),
    );
    // of the core
    const missing = codes.filter((code) => code !== "ERR_CORIO_CANCELLED" && !table.has(code));
    expect(missing).toEqual([]);
  });
});

describe("the built declarations", () => {
  /** The declarations that users get, without their comments. */
  const declarations = filesBelow(dist, ".d.ts").map(([file, text]) => [
    file,
    text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ""),
  ]);

  test("are there: `npm run build` makes them", () => {
    expect(declarations.length).toBeGreaterThan(40);
  });

  test("have no `any`", () => {
    const found = declarations.flatMap(([file, text = ""]) =>
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
        [tsc, ...options, "--types", "node", "--lib", lib, join(dist, "index.d.ts")],
        { encoding: "utf8", cwd: folder },
      );
      expect(stdout).toBe("");
    },
  );
});

function filesBelow(path: string, ending: string): [file: string, text: string][] {
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(ending))
    .map((file) => [file, readFileSync(join(path, file), "utf8")]);
}

/** All names that `index.ts` lets out, types by `type name`. */
function exports(): string[] {
  const index = readFileSync(join(folder, "src", "index.ts"), "utf8");
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

function isDocumented(name: string): boolean {
  const declaration = new RegExp(
    `(?<doc>\\*/\\n)?^export (?:abstract )?(?:const|class|function\\*?|interface|type) ${name.replace("type ", "")}\\b`,
    "m",
  );
  return sources.some(([, text]) => declaration.exec(text)?.groups?.["doc"] !== undefined);
}

function byName(a: string, b: string): number {
  const [first, second] = [a, b].map((name) => name.replace("type ", "").toLowerCase()) as [string, string];
  if (first === second) return a.replace("type ", "") < b.replace("type ", "") ? -1 : 1;
  return first < second ? -1 : 1;
}
