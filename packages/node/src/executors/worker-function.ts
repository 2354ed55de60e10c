import { CorioError } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import type { ErrorClass } from "./decode-thrown.js";
import type { ModuleDefinition } from "./protocol.js";

/**
 * A function of a module, for executors: a worker imports the module and calls it there. Made by {@link workerFunction}; calling it
 * is an error, since that would run nothing elsewhere.
 */
export type WorkerFunction<Args extends unknown[] = never[], R = unknown> = ((...args: Args) => R) & {
  /** The address of the module. */
  readonly module: string;
  /** The name of the export. */
  readonly exportName: string;
};

/** The functions among the exports of a module that a worker can run: coroutine functions are not. */
export type WorkerFunctions<M> = {
  readonly [K in WorkerFunctionName<M>]: M[K] extends (...args: infer Args) => infer R
    ? WorkerFunction<Args, R>
    : never;
};

/** Their names. */
export type WorkerFunctionName<M> = {
  [K in keyof M & string]: M[K] extends (...args: never[]) => infer R
    ? IsGenerator<R> extends true
      ? never
      : K
    : never;
}[keyof M & string];

type IsGenerator<R> = [R] extends [never]
  ? false
  : [R] extends [Generator<unknown, unknown, never> | AsyncGenerator<unknown, unknown, never>]
    ? true
    : false;

/** How errors of the function come back. */
export interface WorkerFunctionOptions {
  /**
   * Classes of errors that the module throws and this side catches, found by their names. An error gets its message, its stack and
   * its enumerable properties, but its constructor is not called. Default: JavaScript's own and corio's are known, any other one
   * arrives as the class that it extends.
   */
  readonly errors?: readonly ErrorClass[];
}

/**
 * Names a function of a module, so that executors can run it in a worker.
 *
 * The module is loaded in the worker, not here: give its type as `typeof import("./hash.js")` (or `import type * as hash` and
 * `typeof hash`), and its address as `new URL("./hash.js", import.meta.url)`. While you develop, a `hash.ts` will do in its
 * place: the worker has the loaders that this process was started with, and otherwise looks for the project's own tsx.
 *
 * @param module the address of the module, absolute: a URL, or the text of one
 * @param name the name of the export, `"default"` for the default one. If the module exports several functions, the compiler wants
 * the name as a second type argument; {@link workerFunctions} gets along without
 * @param options `errors`: classes of errors to be caught here, see {@link WorkerFunctionOptions}
 * @returns a function for `toThread`, `submit`, `map` and `loop.runInExecutor`
 * @throws a `TypeError` at once if the address is relative
 * @example
 * const dirname = workerFunction<typeof import("node:path"), "dirname">("node:path", "dirname");
 * const folder = yield* toThread(dirname, "/tmp/a.txt");
 */
export function workerFunction<M, K extends WorkerFunctionName<M> = WorkerFunctionName<M>>(
  module: URL | string,
  name: K,
  options: WorkerFunctionOptions = {},
): WorkerFunctions<M>[K] {
  const address = addressOf(module, name);
  if (typeof name !== "string" || (name as string) === "") {
    throw invalidArgument(
      "WORKER_FUNCTION",
      'workerFunction(module, name) takes the name of an export, such as "hash"',
    );
  }
  const handle = (): never => {
    throw new CorioError(
      "ERR_CORIO_WORKER_FUNCTION",
      `${name}() is for executors, a call runs it nowhere: write yield* toThread(${name}, …) or pool.submit(${name}, …) instead`,
    );
  };
  Object.defineProperty(handle, "name", { value: name === "default" ? "default export" : name });
  Object.assign(handle, { module: address, exportName: name });
  const target: Target = {
    definition: { name: handle.name, module: address, exportName: name },
    errors: options.errors ?? [],
  };
  Object.defineProperty(handle, TARGET, { value: target });
  return handle as unknown as WorkerFunctions<M>[K];
}

/**
 * Names all functions of a module, so that executors can run them in a worker; see {@link workerFunction}.
 *
 * @param module the address of the module, absolute: a URL, or the text of one
 * @param options `errors`: see {@link WorkerFunctionOptions}
 * @returns an object that has each function by its name, to be taken apart
 * @throws a `TypeError` at once if the address is relative
 * @example
 * const { basename, dirname } = workerFunctions<typeof import("node:path")>("node:path");
 * const folder = yield* toThread(dirname, "/tmp/a.txt");
 */
export function workerFunctions<M>(module: URL | string, options?: WorkerFunctionOptions): WorkerFunctions<M> {
  const made = new Map<string | symbol, unknown>();
  const address = addressOf(module, "…");
  return new Proxy({} as WorkerFunctions<M>, {
    get(_, name) {
      // who awaits it, or prints it, looks for these
      if (typeof name === "symbol" || name === "then") return undefined;
      if (!made.has(name))
        made.set(name, workerFunction<Record<string, () => unknown>, string>(address, name, options));
      return made.get(name);
    },
  });
}

// A symbol that all copies of this package share.
const TARGET = Symbol.for("corio.workerFunction");

/** @internal */
export interface Target {
  readonly definition: ModuleDefinition;
  readonly errors: readonly ErrorClass[];
}

/** @internal What a function made by {@link workerFunction} means; `undefined` for any other. */
export function targetOf(fn: unknown): Target | undefined {
  return (fn as { [TARGET]?: Target })[TARGET];
}

function addressOf(module: URL | string, name: string): string {
  if (module instanceof URL) return module.href;
  if (typeof module === "string" && /^[a-z][a-z\d+.-]+:/i.test(module)) return module;
  throw invalidArgument(
    "WORKER_FUNCTION",
    `a worker cannot tell what ${JSON.stringify(module)} is relative to: write ` +
      `workerFunction<typeof import("./work.js")>(new URL("./work.js", import.meta.url), "${name}"), or import.meta.resolve(…) for a package`,
  );
}
