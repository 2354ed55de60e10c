// What the two sides say to each other. Loaded by every worker: nothing here may import the rest of the package.

/** @internal Where a function comes from: an export of a module, or its own text. */
export type Definition = ModuleDefinition | TextDefinition;

/** @internal What a message calls it. */
export function callOf({ name }: Definition): string {
  return name === "" ? "the function" : `${name}()`;
}

/** @internal */
export interface ModuleDefinition {
  readonly name: string;
  /** The address of the module. */
  readonly module: string;
  readonly exportName: string;
}

/** @internal */
export interface TextDefinition {
  readonly name: string;
  /** An expression. */
  readonly text: string;
  /** What build tools put into the text, by the names that it goes by there. */
  readonly helpers: readonly (readonly [name: string, helper: Helper])[];
}

/** @internal What build tools put into functions; the worker has a stand-in for each. */
export type Helper = "keepName" | "interop" | "wrapDefault" | "require" | "dynamicImport" | "coverage";

/**
 * @internal What a worker is asked. An array, as it is cloned for every call. `definition` comes with the first call of a
 * function in a worker, `setup` with the first call of all.
 *
 * A request that waits for its worker to start and is cancelled meanwhile becomes one for {@link NOTHING}.
 */
export type Request = [
  number: number,
  functionId: number,
  args: unknown[] | Uint8Array,
  definition: Definition | undefined,
  setup: ThreadSetup | undefined,
];

/** @internal The function that does not exist. */
export const NOTHING = 0;

/** @internal What a thread gets beside its work. */
export interface ThreadSetup {
  /** Results that are not primitive values go out here, the numbers of what is cancelled come in. */
  readonly port: unknown;
  /** Its one element is the number of the work that was cancelled last; a function that never waits can look at it. */
  readonly cancelled: Int32Array;
}

/**
 * @internal What a worker answers, unless the result is a primitive value, which is its own answer. A thread says the first
 * element only: the second waits in the port, where it could be seen whether it can be cloned. A process sends both, serialized.
 */
export type Answer = [kind: typeof RESULT, value: unknown] | [kind: typeof THROWN, thrown: EncodedThrown];

/** @internal */
export const RESULT = 0;
/** @internal */
export const THROWN = 1;

/** @internal What was thrown: an error, or anything else. Errors that refer to each other do so here, too. */
export type EncodedThrown = { readonly error: EncodedError } | { readonly value: unknown };

/** @internal */
export interface EncodedError {
  /** The names of its class and of those that this one extends, downwards to Error. */
  readonly classes: readonly string[];
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Its own enumerable properties. */
  readonly properties: [key: string, value: unknown][];
  cause?: EncodedThrown;
  errors?: EncodedThrown[];
}

/** @internal The message by which a process is told that the work with this number was cancelled. */
export interface CancelMessage {
  readonly corioCancels: number;
}
