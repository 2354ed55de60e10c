import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ensure = fileURLToPath(new URL("../database/ensure-postgresql.mjs", import.meta.url));

/** Why there is no PostgreSQL on this machine, for tests to skip; "" if there is, or it could be installed. */
export async function missingPostgres(): Promise<string> {
  try {
    await promisify(execFile)(process.execPath, [ensure]);
    return "";
  } catch (error) {
    // where CI is set nothing is skipped
    if (process.env["CI"]) throw error;
    return (error as { stderr: string }).stderr;
  }
}
