import { parseArgs } from "node:util";
import { UsageError } from "./usage-error.js";

export interface Options {
  /** The file that lists the URLs; undefined is standard input. */
  readonly input: string | undefined;
  /** The file that the results go to. */
  readonly output: string;
  /** Write below the results that are there already. */
  readonly append: boolean;
  /** How many URLs are fetched at the same time. */
  readonly concurrency: number;
  /** How long one attempt may take, in milliseconds, redirects and body included. */
  readonly timeout: number;
  /** How many more attempts a URL gets after a failure that may pass. */
  readonly retries: number;
  /** The longest pause before the first retry, in milliseconds; it doubles with each further one. */
  readonly backoff: number;
  readonly help: boolean;
}

export const help = `Fetches many URLs at once and writes what came of each to a file.

Usage: corio run examples/fetch-many.ts [options] [file]

The file has one URL a line; empty lines and lines that begin with # are skipped. Without a file, or with -, the list
is read from standard input. It is read to its end before the first request is sent.

  --concurrency <n>   how many URLs are fetched at the same time (10)
  --timeout <ms>      how long one attempt may take as a whole (10000)
  --retries <n>       how often a URL is tried again after a network error, a timeout, 429 or 5xx (2)
  --backoff <ms>      the longest pause before the first retry; it doubles with each further one (250)
  --output <file>     where the results go, one JSON object a line, in the order in which they came (results.jsonl)
  --append            write below the results that the file has already; without it, such a file is left alone
  --help              this text

A URL that fails becomes a row with its error, and so does a line that is no URL; neither ends the run. Ctrl-C does:
what was done is in the results, and what was not done is written beside them as a list to go on with.

Exit codes: 0 every URL has its row; 1 the results could not be written; 2 wrong use, nothing was fetched;
130 interrupted.

Examples:
  corio run examples/fetch-many.ts urls.txt --concurrency 50 --timeout 5000
  grep -o 'https://[^"]*' page.html | corio run examples/fetch-many.ts --output links.jsonl`;

const defaults = {
  output: { type: "string", default: "results.jsonl" },
  append: { type: "boolean", default: false },
  concurrency: { type: "string", default: "10" },
  timeout: { type: "string", default: "10000" },
  retries: { type: "string", default: "2" },
  backoff: { type: "string", default: "250" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Reads the arguments. Throws {@link UsageError} for what it cannot make sense of. */
export function parseCommandLine(args: string[]): Options {
  const { values, positionals } = parse(args);
  if (positionals.length > 1) {
    const given = positionals.map((name) => JSON.stringify(name)).join(", ");
    throw new UsageError(
      `one file of URLs is read, not ${positionals.length} (${given}). Join them: cat … | fetch-many`,
    );
  }
  if (values.output === "" || values.output === "-") {
    throw new UsageError("--output needs the name of a file; standard output is for the summary");
  }
  const input = positionals[0];
  return {
    input: input === "-" ? undefined : input,
    output: values.output,
    append: values.append,
    concurrency: wholeNumber("--concurrency", values.concurrency, 1),
    timeout: wholeNumber("--timeout", values.timeout, 1),
    retries: wholeNumber("--retries", values.retries, 0),
    backoff: wholeNumber("--backoff", values.backoff, 0),
    help: values.help,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: defaults, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\nfetch-many --help lists the options`, { cause: error });
  }
}

function wholeNumber(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
    throw new UsageError(`${name} needs a whole number of at least ${least}, not ${JSON.stringify(text)}`);
  }
  return value;
}
