import { UsageError } from "./usage-error.js";

/** What a command line asks for. */
export type CommandLine =
  | { readonly command: "help"; readonly topic: "corio" | "run" }
  | { readonly command: "version" }
  | RunCommand;

/** `corio run [options] program [arguments]` */
export interface RunCommand {
  readonly command: "run";
  /** As it was written. */
  readonly program: string;
  /** Everything that follows the program, untouched. */
  readonly args: readonly string[];
  readonly debug: boolean;
}

/**
 * Reads the arguments of the `corio` command.
 *
 * @throws UsageError for an unknown command or option, and when the program is missing
 */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const [first, ...rest] = argv;
  switch (first) {
    case "run":
      return parseRun(rest);
    case "-h":
    case "--help":
      return { command: "help", topic: "corio" };
    case "-v":
    case "--version":
      return { command: "version" };
    case undefined:
      throw new UsageError("a command is missing. Write: corio run program.ts");
  }
  if (first.startsWith("-")) throw new UsageError(`unknown option ${first}. See: corio --help`);
  if (PROGRAM.test(first)) throw new UsageError(`${first} is no command. Write: corio run ${first}`);
  throw new UsageError(`unknown command ${first}. See: corio --help`);
}

const PROGRAM = /\.(?:[cm]?[jt]s|[jt]sx)$/;

// The first word that is no option is the program, and nothing behind it is corio's. A parser of the usual kind would
// look for options there, too: hence none is used.
function parseRun(argv: readonly string[]): CommandLine {
  let debug = false;
  for (const [index, word] of argv.entries()) {
    if (word === "--debug") debug = true;
    else if (word === "-h" || word === "--help") return { command: "help", topic: "run" };
    else if (word.startsWith("-") && word !== "-" && word !== "--") {
      throw new UsageError(`unknown option ${word}. See: corio run --help`);
    } else {
      const [program, ...args] = argv.slice(word === "--" ? index + 1 : index);
      if (program === undefined) break;
      return { command: "run", program, args, debug };
    }
  }
  throw new UsageError("the program is missing. Write: corio run program.ts");
}
