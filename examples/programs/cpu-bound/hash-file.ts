import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** Reads and hashes a whole file, and blocks its thread as long. */
export function hashFile(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
