import { execFile } from "node:child_process";
import { findProgram } from "./programs.mjs";

/**
 * Has the program `wrk` load a server with GETs.
 *
 * @param {{ port: number, connections: number, ms: number }} load on each connection the next request when the answer to the
 *   last is there; wrk takes whole seconds, so `ms` is rounded up
 * @returns {Promise<{ requests: number, ms: number, cpuMs: number }>} `cpuMs`: what wrk took
 * @throws if one of them was not answered with a status below 400
 */
export function runWrk({ port, connections, ms }) {
  const program = findProgram("wrk");
  if (program === undefined) return Promise.reject(new Error("no wrk"));
  const args = ["-t1", `-c${connections}`, `-d${Math.ceil(ms / 1000)}s`, `http://127.0.0.1:${port}/`];
  return new Promise((resolve, reject) => {
    // The shell tells the CPU time of what it has run.
    const shell = ["-c", '"$0" "$@" && times', program, ...args];
    execFile("sh", shell, { env: { ...process.env, LC_ALL: "C" }, timeout: ms + 60_000 }, (error, stdout, stderr) => {
      const said = `${stdout}${stderr}`;
      const [, requests, seconds] = /(\d+) requests in ([\d.]+)s/.exec(said) ?? [];
      const wrong = /Socket errors.*|Non-2xx or 3xx.*/.exec(said)?.[0];
      const problem = wrong ?? (requests === undefined ? (error?.message ?? said) : undefined);
      if (problem !== undefined) return reject(new Error(`wrk: ${problem.trim()}`));
      resolve({ requests: Number(requests), ms: Number(seconds) * 1000, cpuMs: ofChildren(stdout) });
    });
  });
}

/** The last line of `times`: user and system time of the children, such as "0m0.310000s 0m0.540000s". @param {string} text */
function ofChildren(text) {
  const line = text.trimEnd().split("\n").at(-1) ?? "";
  const times = [...line.matchAll(/(\d+)m([\d.]+)s/g)];
  return times.reduce((ms, [, minutes, seconds]) => ms + Number(minutes) * 60_000 + Number(seconds) * 1000, 0);
}
