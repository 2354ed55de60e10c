import { type FileHandle, open } from "node:fs/promises";
import { attempt, type Coroutine, createTask, type Future, Lock, shield, until, within } from "corio";
import type { Row } from "./row.js";
import { explain } from "./system-error.js";
import { UsageError } from "./usage-error.js";

/**
 * The results: a JSON object a line, in the order in which they came.
 *
 * A row that was added is written, whatever is cancelled meanwhile; and the file never ends in half a row, even if the
 * disk is full. Leaving its scope waits for the rows that are being written, then closes the file.
 */
export class ResultsFile {
  /** What is in the file, of this run. */
  readonly rows: Row[] = [];
  readonly path: string;
  readonly #file: FileHandle;
  readonly #lock = new Lock();
  #size: number;
  #failure: OutputError | undefined;

  /** Opens the file before anything is fetched for it. Throws {@link UsageError} if it cannot be written. */
  static *open(path: string, append: boolean): Coroutine<ResultsFile> {
    const opened = yield* attempt(until(open(path, "a")));
    if (!opened.ok) {
      const reason = explain(opened.error);
      throw new UsageError(`cannot write results to ${path}: ${reason}. Name another file with --output`);
    }
    const file = opened.value;
    const { size } = yield* until(file.stat());
    if (size === 0 || append) return new ResultsFile(path, file, size);
    yield* until(file.close());
    throw new UsageError(
      `${path} has results already. Add --append to write below them, or name another file with --output`,
    );
  }

  private constructor(path: string, file: FileHandle, size: number) {
    this.path = path;
    this.#file = file;
    this.#size = size;
  }

  enter(): this {
    return this;
  }

  *exit(): Coroutine<void> {
    // The lock is fair: once it is ours, every row that was added before has been written.
    yield* within(this.#lock, () => until(this.#file.close()));
  }

  /**
   * Writes a row. Throws {@link OutputError} if that fails.
   *
   * If cancelled: the row is written all the same.
   */
  add(row: Row): Future<void> {
    return shield(createTask(within(this.#lock, () => this.#write(row))));
  }

  *#write(row: Row): Coroutine<void> {
    if (this.#failure !== undefined) return; // It has been thrown, and ends the run.
    const line = Buffer.from(`${JSON.stringify(row)}\n`);
    const written = yield* attempt(until(this.#file.appendFile(line)));
    if (!written.ok) {
      this.#failure = new OutputError(`cannot write to ${this.path}: ${explain(written.error)}`, {
        cause: written.error,
      });
      yield* attempt(until(this.#file.truncate(this.#size))); // A pipe cannot be cut, and need not be.
      throw this.#failure;
    }
    this.#size += line.length;
    this.rows.push(row);
  }
}

/** The results can no longer be written. */
export class OutputError extends Error {
  override readonly name = "OutputError";
}
