/** The texts of `--help`. */
export const help = {
  corio: `Usage: corio <command> [options]

Commands:
  run program.ts [arguments]  Run a TypeScript or JavaScript program

Options:
  -h, --help     Show this text; of a command: corio run --help
  -v, --version  Show the version
`,
  run: `Usage: corio run [options] program.ts [arguments]

Runs a TypeScript or JavaScript program: one that calls run() itself, or one that exports its main coroutine:

  import { sleep } from "corio";

  export function* main(args: string[]) {
    yield* sleep(1_000);
    console.log("hello", ...args);
  }

Options:
  --debug     Switch corio's debug mode on
  -h, --help  Show this text

Options stand before the program. What follows the program is the program's.

Ctrl-C cancels the main task and lets it clean up; a second one ends the program at once. The exit code is 130 then,
143 after SIGTERM, 1 after an error, and 2 if the command itself was wrong.
`,
} as const;
