import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import vm from "node:vm";
import type { Definition, Helper, ModuleDefinition, TextDefinition } from "./protocol.js";

type AnyFunction = (...args: unknown[]) => unknown;

/** @internal In a worker: makes the function that a definition means. */
export async function loadFunction(definition: Definition): Promise<AnyFunction> {
  return "text" in definition ? compile(definition) : findExport(definition);
}

/** An error of corio, which a worker does not load. The other side makes a real one of it. */
class CorioError extends Error {
  override readonly name: string = "CorioError";
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

async function findExport({ module: address, exportName }: ModuleDefinition): Promise<AnyFunction> {
  const module = await importModule(address);
  const found = exportOf(module, exportName);
  if (typeof found !== "function") {
    const names = Object.keys(module).filter((name) => typeof module[name] === "function");
    throw new CorioError(
      "ERR_CORIO_NO_EXPORT",
      `${address} exports no function "${exportName}"; its functions are: ${names.join(", ") || "none"}`,
    );
  }
  if ((found as { [Symbol.toStringTag]?: string })[Symbol.toStringTag]?.endsWith("GeneratorFunction")) {
    throw new CorioError(
      "ERR_CORIO_WORKER_FUNCTION",
      `"${exportName}" of ${address} is a coroutine function; workers run ordinary and async functions. Export another one: ` +
        `export const ${exportName}InWorker = () => run(${exportName}())`,
    );
  }
  return found as AnyFunction;
}

/** A CommonJS module that Node could not look into has its exports in its default export only. */
function exportOf(module: Record<string, unknown>, name: string): unknown {
  if (Object.hasOwn(module, name) && !(name === "default" && typeof module[name] !== "function")) return module[name];
  return (module["default"] as Record<string, unknown> | null | undefined)?.[name];
}

async function importModule(address: string): Promise<Record<string, unknown>> {
  const found = existing(address);
  try {
    return await import(found);
  } catch (error) {
    if (!isTypeScript(found) || !LOADING.test(String((error as { code?: unknown } | null)?.code))) throw error;
    return importWithTsx(found, error);
  }
}

/** TypeScript imports `hash.ts` as `hash.js`; so may the address of a module. */
function existing(address: string): string {
  if (!address.startsWith("file:")) return address;
  const url = new URL(address);
  if (existsSync(fileURLToPath(url))) return address;
  const [, stem, kind] = /^(.*)\.([cm]?)jsx?$/.exec(url.pathname) ?? [];
  if (stem === undefined) return address;
  for (const extension of kind === "" ? ["ts", "tsx"] : [`${kind}ts`]) {
    url.pathname = `${stem}.${extension}`;
    if (existsSync(fileURLToPath(url))) return url.href;
  }
  return address;
}

function isTypeScript(address: string): boolean {
  return address.startsWith("file:") && /\.[cm]?tsx?$/.test(new URL(address).pathname);
}

// How Node says that it cannot load a module of TypeScript, or what it imports, as it is.
const LOADING =
  /^ERR_(?:UNKNOWN_FILE_EXTENSION|MODULE_NOT_FOUND|UNSUPPORTED_\w*TYPE\w*|INVALID_TYPESCRIPT_SYNTAX|NO_TYPESCRIPT)$/;

// This worker has no loader for TypeScript, as under vitest; the project may have one.
async function importWithTsx(address: string, cause: unknown): Promise<Record<string, unknown>> {
  const tsx = findTsx(address);
  if (tsx === undefined) {
    throw new CorioError(
      "ERR_CORIO_TYPESCRIPT",
      `a worker cannot load ${address} here (${(cause as Error).message}). Install tsx in the project ` +
        "(npm install --save-dev tsx), run the program with the corio command, or build the module and refer to what was built",
      { cause },
    );
  }
  const { tsImport } = (await import(tsx)) as {
    tsImport: (address: string, parent: string) => Promise<Record<string, unknown>>;
  };
  return tsImport(address, address);
}

/** The tsx of the project that a module belongs to. What `require.resolve` finds is for CommonJS, so its package.json is asked. */
function findTsx(address: string): string | undefined {
  try {
    const require = createRequire(address);
    const manifest = require(TSX) as { exports: { "./esm/api": { import: { default: string } } } };
    return new URL(manifest.exports["./esm/api"].import.default, pathToFileURL(require.resolve(TSX))).href;
  } catch {
    return undefined;
  }
}

// Not a dependency of this package.
const TSX = "tsx/package.json";

function compile({ name, text, helpers }: TextDefinition): AnyFunction {
  const parameters = helpers.map(([helper]) => helper).join(", ");
  const values = helpers.map(([, helper]) => HELPERS[helper]);
  const make = evaluate(`"use strict"; (${parameters}) => (`, `${text}\n)`, name) as (
    ...values: unknown[]
  ) => AnyFunction;
  return make(...values);
}

/** What it imports is looked up from the current folder. */
function evaluate(head: string, text: string, name: string): unknown {
  if (text.includes("import")) expectWarning();
  const filename = `worker function ${name === "" ? "(anonymous)" : name}`;
  return new vm.Script(head + text, { ...IMPORTING, filename, columnOffset: -head.length }).runInThisContext();
}

const IMPORTING = { importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER };
let warned = false;

// Node 20 warns, once, that this kind of `import()` is experimental: no news to who only wrote `import("…")`.
function expectWarning(): void {
  if (warned) return;
  warned = true;
  const emitWarning = Object.getOwnPropertyDescriptor(process, "emitWarning") as PropertyDescriptor;
  process.emitWarning = () => {};
  try {
    new vm.Script('import("node:vm")', IMPORTING).runInThisContext();
  } finally {
    Object.defineProperty(process, "emitWarning", emitWarning);
  }
}

/** What a module is when it is imported. */
function interop(module: unknown): unknown {
  if (((typeof module !== "object" || module === null) && typeof module !== "function") || isMarked(module))
    return module;
  return { ...module, default: module };
}

function isMarked(module: unknown): boolean {
  return (module as { __esModule?: unknown }).__esModule === true;
}

/** What a coverage tool counts with: nobody looks at the counts. */
function coverage(): unknown {
  return COUNTERS;
}

const counters: ProxyHandler<object> = { get: () => [] };
const COUNTERS = { s: {}, f: {}, b: new Proxy({}, counters), bT: new Proxy({}, counters) };

const HELPERS: Record<Helper, unknown> = {
  keepName: (fn: object, value: string) => Object.defineProperty(fn, "name", { value, configurable: true }),
  interop,
  wrapDefault: (module: unknown) => (isMarked(module) ? module : { default: module }),
  require: createRequire(pathToFileURL(`${process.cwd()}/`)),
  dynamicImport: (specifier: string, options?: ImportCallOptions) =>
    (evaluate("", "(specifier, options) => import(specifier, options)", "import") as typeof dynamicImport)(
      specifier,
      options,
    ),
  coverage,
};

declare function dynamicImport(specifier: string, options?: ImportCallOptions): Promise<unknown>;
