/**
 * Fetches many URLs at once: `corio run examples/fetch-many.ts urls.txt`, and `--help` for what else it can do.
 *
 * Read from here downwards: `main`, then `fetchMany`. What they need stands in fetch-many/, one concept a file. Three
 * things to notice on the way:
 *
 * - `map` with its `concurrency` is all there is to "many at once, but not too many".
 * - Ctrl-C cancels the main task, and nothing here ever asks whether it did. Requests are aborted, rows written and files
 *   closed, and the rest reported, because `within` and `finally` work as they read, a `yield*` in a `finally` included.
 * - What fails for one URL is caught where that URL is fetched and becomes a row. What fails for all is thrown, and ends
 *   the run.
 */
import { type Coroutine, map, within } from "corio";
import { runAsProgram } from "./fetch-many/as-program.js";
import { outliveReaders } from "./fetch-many/broken-pipe.js";
import { help, type Options, parseCommandLine } from "./fetch-many/command-line.js";
import { fetchRow, openSession } from "./fetch-many/fetch-row.js";
import { Progress, showProgress } from "./fetch-many/progress.js";
import { writeRest } from "./fetch-many/rest-file.js";
import { OutputError, ResultsFile } from "./fetch-many/results-file.js";
import { summarize } from "./fetch-many/summary.js";
import { readUrlList, type UrlList } from "./fetch-many/url-list.js";
import { UsageError } from "./fetch-many/usage-error.js";

/** The program. Its exit codes stand in the help. */
export function* main(args: string[]): Coroutine<void> {
  outliveReaders();
  try {
    const options = parseCommandLine(args);
    if (options.help) {
      console.log(help);
      return;
    }
    const list = yield* readUrlList(options.input);
    yield* fetchMany(list, options);
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof OutputError)) throw error;
    console.error(`fetch-many: ${error.message}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

function* fetchMany(list: UrlList, options: Options): Coroutine<void> {
  const results = yield* ResultsFile.open(options.output, options.append);
  const progress = new Progress(list.targets.length);
  try {
    yield* within(results, openSession(options), showProgress(progress), function* (results, session) {
      yield* refuseMisfits(list, results);
      yield* map(
        list.targets,
        function* (target) {
          const row = yield* fetchRow(session, target, options);
          yield* results.add(row);
          progress.count(row);
        },
        { concurrency: options.concurrency },
      );
    });
  } finally {
    if (results.rows.length > 0) console.log(`\n${summarize(results.rows)}\n`);
    yield* reportRest(list, results);
  }
}

/** A line that is no URL becomes a row like any other failure, and is named at once: it may be a slip of the pen. */
function* refuseMisfits({ misfits }: UrlList, results: ResultsFile): Coroutine<void> {
  for (const { line, reason } of misfits.slice(0, 5)) console.error(`line ${line}: ${reason}`);
  if (misfits.length > 5) console.error(`… and ${misfits.length - 5} more lines that are no URLs; each has its row`);
  for (const { line, url, reason } of misfits) {
    yield* results.add({ line, url, outcome: "not a URL", status: null, bytes: 0, error: reason, attempts: 0, ms: 0 });
  }
}

/** Says where the results are, and keeps what is not among them. */
function* reportRest({ targets, misfits }: UrlList, { path, rows }: ResultsFile): Coroutine<void> {
  const done = new Set(rows.map((row) => row.line));
  const rest = [...targets, ...misfits].filter(({ line }) => !done.has(line)).toSorted((a, b) => a.line - b.line);
  console.log(`${rows.length} rows written to ${path}.`);
  if (rest.length === 0) return;

  const restPath = yield* writeRest(path, rest);
  if (restPath === undefined) {
    console.error(`${rest.length} URLs were not done, and no file can be written for them. They are:`);
    console.log(rest.map(({ url }) => url).join("\n"));
  } else {
    console.error(`${rest.length} URLs were not done; ${restPath} lists them. To go on, run again with`);
    console.error(`  ${restPath} --output ${path} --append`);
  }
}

await runAsProgram(import.meta, main);
