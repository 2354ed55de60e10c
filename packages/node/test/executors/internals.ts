import * as functionText from "../../src/executors/function-text.js";
import * as loading from "../../src/executors/load-function.js";

// What the tests of executors look at inside. The published types do not have it.

/** What a function needs in order to run by its text. */
interface Definition {
  readonly text: string;
}

export const { textDefinition } = functionText as unknown as {
  textDefinition: (text: string, name: unknown) => Definition;
};

export const { loadFunction } = loading as unknown as {
  loadFunction: (definition: Definition) => Promise<(...args: unknown[]) => unknown>;
};
