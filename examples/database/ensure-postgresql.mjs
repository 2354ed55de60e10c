import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureCommand } from "../../scripts/ensure-command.mjs";

/**
 * The folder of PostgreSQL's programs: on the PATH, or where Debian's package has them, which is installed if it is missing
 * and this process may do so.
 *
 * @returns {string}
 * @throws if it is missing and cannot be installed: why, and what to do about it
 */
export function ensurePostgresql() {
  return ensureCommand("postgresql", { neededBy: "The programs with a database", find: findPrograms });
}

function findPrograms() {
  const onPath = (process.env["PATH"] ?? "").split(delimiter);
  return [...onPath, ...debianFolders()].find((folder) =>
    ["initdb", "postgres"].every((it) => existsSync(join(folder, it))),
  );
}

/** The newest first. */
function debianFolders() {
  const versions = "/usr/lib/postgresql";
  if (!existsSync(versions)) return [];
  const newestFirst = readdirSync(versions).toSorted((a, b) => Number(b) - Number(a));
  return newestFirst.map((version) => join(versions, version, "bin"));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(ensurePostgresql());
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
