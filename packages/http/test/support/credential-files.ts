import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Texts as files of a temporary folder, for programs that take paths. */
export class CredentialFiles {
  readonly #folder = mkdtempSync(join(tmpdir(), "corio-credentials-"));

  /** The path of a text. */
  path(name: string, text: string): string {
    const path = join(this.#folder, name);
    writeFileSync(path, text);
    return path;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
