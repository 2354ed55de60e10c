import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { findProgram } from "./programs.mjs";

/**
 * The Python of `get-python.sh`, else the one on PATH.
 *
 * @returns {{ command: string, version: string, uvloop: string | undefined, aiohttp: string | undefined } | undefined}
 */
export function findPython() {
  const own = fileURLToPath(new URL("../.cache/python/python3", import.meta.url));
  const command = existsSync(own) ? own : "python3";
  const ask = (/** @type {string} */ program) =>
    execFileSync(command, ["-c", program], { stdio: "pipe" }).toString().trim();
  try {
    const version = ask("import platform; print(platform.python_version())");
    const versionOf = (/** @type {string} */ name) => {
      try {
        return ask(`import ${name}; print(${name}.__version__)`);
      } catch {
        // A Python without it is worth measuring, too.
        return undefined;
      }
    };
    return { command, version, uvloop: versionOf("uvloop"), aiohttp: versionOf("aiohttp") };
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
  const packages = ["effect", "effection", "p-queue", "undici", "@hono/node-server", "hono"];
  const peers = packages.map((name) => `${name} ${versionOf(name)}`);
  if (python) peers.push(`Python ${python.version}`);
  if (python?.uvloop) peers.push(`uvloop ${python.uvloop}`);
  if (python?.aiohttp) peers.push(`aiohttp ${python.aiohttp}`);
  for (const program of ["nginx", "wrk"]) peers.push(...versionTold(program));
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    node: process.version,
    v8: process.versions.v8,
    date: new Date().toISOString().slice(0, 10),
    peers,
  };
}

/** Such as "nginx 1.22.1", if it is there. @param {string} name */
function versionTold(name) {
  const path = findProgram(name);
  if (path === undefined) return [];
  // nginx tells it on standard error, wrk fails
  const { stdout, stderr } = spawnSync(path, ["-v"], { encoding: "utf8" });
  return [`${name} ${/\d+\.[\w.]+/.exec(`${stdout}${stderr}`)?.[0]}`];
}

/** @param {ReturnType<typeof describeMachine>} machine */
export const machineLine = ({ cpu, cores, node, v8, date, peers }) =>
  `${cpu}, ${cores} cores; Node ${node} (V8 ${v8}); ${peers.join(", ")}; ${date}`;
