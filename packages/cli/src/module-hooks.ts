/**
 * What corio asks of Node's module loader, beside what tsx does.
 *
 * 1. TypeScript is an ES module also where package.json does not say so (as `npm init` leaves it): there tsx would
 *    compile it to CommonJS, which has no top-level await, and would compile a second copy of corio along with it. What
 *    uses CommonJS's own words (`require`, `module.exports`, `__dirname`) is left to tsx.
 * 2. `import.meta.main` is true in the program, as it is when Node starts it.
 *
 * Node runs these hooks in a thread of their own (`module.register`) or synchronously (`module.registerHooks`); they are
 * written for both. They are registered before tsx's: Node then asks tsx's first, and those ask these.
 */
import { readFileSync } from "node:fs";
import module from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Registers the hooks in this process. `program` is the file that is being run, if it is corio that runs it. */
export function registerModuleHooks({ program }: { readonly program?: string } = {}): void {
  const data: HookData = program === undefined ? {} : { program: pathToFileURL(program).href };
  if (!areHooksSynchronous) return module.register(import.meta.url, { data });
  initialize(data);
  (module as unknown as SynchronousHooks).registerHooks({ resolve, load });
}

interface SynchronousHooks {
  registerHooks(hooks: { resolve: typeof resolve; load: typeof load }): unknown;
}

/**
 * Whether hooks run in the thread of the program, which costs next to nothing. The first versions of Node that had such
 * hooks failed on CommonJS, and when there were hooks of the other kind, too; tsx knows the same versions.
 */
export const areHooksSynchronous = ((): boolean => {
  const [major = 0, minor = 0, patch = 0] = process.versions.node.split(".").map(Number);
  const isFrom = (fromMinor: number, fromPatch: number): boolean =>
    minor > fromMinor || (minor === fromMinor && patch >= fromPatch);
  if (major === 22) return isFrom(22, 3);
  if (major === 24) return isFrom(11, 1);
  if (major === 25) return isFrom(1, 0);
  return major >= 26;
})();

interface HookData {
  readonly program?: string;
}

let program: string | undefined;

/** @public Node calls it. */
export function initialize(data: HookData): void {
  program = data.program;
}

interface Resolved {
  readonly url: string;
  readonly format?: string | null | undefined;
}

/** @public Node calls it. */
export function resolve(
  specifier: string,
  context: object,
  next: (specifier: string, context: object) => Resolved | Promise<Resolved>,
): Resolved | Promise<Resolved> {
  return then(next(specifier, context), asModule);
}

interface Loaded {
  readonly format?: string | null | undefined;
  readonly source?: string | ArrayBuffer | NodeJS.TypedArray | null | undefined;
}

/** @public Node calls it. */
export function load(
  url: string,
  context: object,
  next: (url: string, context: object) => Loaded | Promise<Loaded>,
): Loaded | Promise<Loaded> {
  const loaded = next(url, context);
  return url === program ? then(loaded, asMainModule) : loaded;
}

function asModule(resolved: Resolved): Resolved {
  if (resolved.format === "module" || !resolved.url.startsWith("file:")) return resolved;
  const url = new URL(resolved.url);
  if (!/\.tsx?$/.test(url.pathname) || url.pathname.includes("/node_modules/") || usesCommonJs(url)) return resolved;
  return { ...resolved, format: "module" };
}

function usesCommonJs(url: URL): boolean {
  const source = readFileSync(fileURLToPath(url), "utf8");
  return (
    /\b(?:require|module\.exports|exports\.|__dirname|__filename)\b/.test(source) && !/\bimport\.meta\b/.test(source)
  );
}

function asMainModule(loaded: Loaded): Loaded {
  if (loaded.format !== "module" || loaded.source === null || loaded.source === undefined) return loaded;
  const source = typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source);
  if (!/\bimport\.meta\.main\b/.test(source)) return loaded;
  // On a line that is there already, so that line numbers stay true.
  return { ...loaded, source: source.replace(/^(?:#!.*\n)?/, (head) => `${head}import.meta.main = true;`) };
}

function then<T, R>(value: T | Promise<T>, next: (value: T) => R): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
