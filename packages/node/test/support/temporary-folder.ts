import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A folder that is removed when the test has ended. Its path is short: that of a Unix socket may have 107 letters. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "corio-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The path of a file that does not exist, for a Unix socket. */
export function socketPath(): string {
  return join(temporaryFolder(), "socket");
}
