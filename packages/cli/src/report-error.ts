import { formatError } from "@corio/node/program";
import { MainError } from "./find-main.js";

/** Says on standard error which error ended the program. */
export function reportError(error: unknown): void {
  if (error instanceof SyntaxError && isWithoutPosition(error)) return leaveToNode(error);
  process.stderr.write(`${error instanceof MainError ? `corio: ${error.message}` : textOf(error)}\n`);
}

function textOf(error: unknown): string {
  if (!(error instanceof Error) || !error.message.startsWith("Transform failed with ")) return formatError(error);
  // tsx's compiler found a syntax error. The stack is the compiler's own.
  const hint = error.message.includes('await is currently not supported with the "cjs" output format')
    ? "\nThe file uses CommonJS (require, module.exports, __dirname), which has no top-level await: call run() without" +
      ' `await`, or make it an ES module by "type": "module" in package.json.'
    : "";
  return error.message.replace(/^.*\n/, "").replaceAll(": ERROR: ", ": SyntaxError: ") + hint;
}

// Of a module with a syntax error, Node keeps the place where no program can read it.
function isWithoutPosition(error: SyntaxError): boolean {
  return /^SyntaxError: [^\n]*\n\s+at [^\n]*\(node:internal\//.test(error.stack ?? "");
}

function leaveToNode(error: SyntaxError): void {
  process.removeAllListeners("uncaughtException");
  process.nextTick(() => {
    throw error;
  });
}
