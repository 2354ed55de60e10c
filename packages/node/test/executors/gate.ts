import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Coroutine, sleep } from "corio";

/** A folder through which a test and its workers tell each other how far they are. */
export class Gate implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "corio-executors-"));

  has(file: string): boolean {
    return existsSync(join(this.folder, file));
  }

  /** Waits until the worker has left a file. */
  *reached(file: string): Coroutine<void> {
    while (!this.has(file)) yield* sleep(2);
  }

  open(): void {
    writeFileSync(join(this.folder, "open"), "");
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
