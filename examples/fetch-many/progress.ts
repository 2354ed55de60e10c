import { contextManager, createTask, sleep, wait } from "corio";
import { logUpdateStderr } from "log-update";
import { isFailure, type Row } from "./row.js";

/** How far the run is. */
export class Progress {
  readonly #total: number;
  readonly #began = performance.now();
  #done = 0;
  #failed = 0;

  constructor(total: number) {
    this.#total = total;
  }

  count(row: Row): void {
    this.#done += 1;
    if (isFailure(row)) this.#failed += 1;
  }

  /** "123 of 500 done, 4 failed, 2.0 s" */
  get line(): string {
    return `${this.#done} of ${this.#total} done, ${this.#failed} failed, ${this.#seconds.toFixed(1)} s`;
  }

  /** The same behind a bar, with an estimate of the time that is left. */
  get bar(): string {
    const part = this.#done / this.#total;
    const full = Math.round(part * 24);
    const left = Math.ceil(this.#seconds * (1 / part - 1));
    const estimate = part > 0 && part < 1 ? `, about ${left} s left` : "";
    return `${"█".repeat(full)}${"░".repeat(24 - full)} ${this.line}${estimate}`;
  }

  get #seconds(): number {
    return (performance.now() - this.#began) / 1000;
  }
}

/** Shows the progress on standard error while its scope lasts: as a bar on a terminal, as plain lines elsewhere. */
export const showProgress = contextManager(function* (progress: Progress) {
  // Some terminals, mostly of build servers, cannot move the cursor or do not know how wide they are.
  const live = process.stderr.isTTY && process.stderr.columns > 0 && process.env["TERM"] !== "dumb";
  const show = () => (live ? logUpdateStderr(progress.bar) : console.error(progress.line));

  const painter = createTask(function* () {
    for (;;) {
      yield* sleep(live ? 100 : 2000);
      show();
    }
  });
  try {
    yield progress;
  } finally {
    painter.cancel();
    yield* wait([painter]);
    show();
    if (live) logUpdateStderr.done();
  }
});
