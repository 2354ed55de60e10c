import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";

/**
 * The Python of `get-python.sh`, else the one on PATH.
 *
 * @returns {{ command: string, version: string, uvloop: string | undefined } | undefined}
 */
export function findPython() {
  const own = fileURLToPath(new URL("../.cache/python/python3", import.meta.url));
  const command = existsSync(own) ? own : "python3";
  const ask = (/** @type {string} */ program) =>
    execFileSync(command, ["-c", program], { stdio: "pipe" }).toString().trim();
  try {
    const version = ask("import platform; print(platform.python_version())");
    let uvloop;
    try {
      uvloop = ask("import uvloop; print(uvloop.__version__)");
    } catch {
      // A Python without uvloop is worth measuring, too.
    }
    return { command, version, uvloop };
  } catch {
    return undefined;
  }
}

/** @param {ReturnType<typeof findPython>} python */
export function describeMachine(python) {
  const require = createRequire(import.meta.url);
  const versionOf = (/** @type {string} */ name) => {
    // Not through require: a package need not export its package.json.
    for (const folder of require.resolve.paths(name) ?? []) {
      const file = `${folder}/${name}/package.json`;
      if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")).version;
    }
  };
  const peers = ["effect", "effection", "p-queue"].map((name) => `${name} ${versionOf(name)}`);
  if (python) peers.push(`Python ${python.version}`);
  if (python?.uvloop) peers.push(`uvloop ${python.uvloop}`);
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    node: process.version,
    v8: process.versions.v8,
    date: new Date().toISOString().slice(0, 10),
    peers,
  };
}

/** @param {ReturnType<typeof describeMachine>} machine */
export const machineLine = ({ cpu, cores, node, v8, date, peers }) =>
  `${cpu}, ${cores} cores; Node ${node} (V8 ${v8}); ${peers.join(", ")}; ${date}`;
