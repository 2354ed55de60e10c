import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/**
 * @typedef {import("../network-rows.mjs").NetworkContender} NetworkContender
 * @typedef {import("./contest.mjs").Python} Python
 * @typedef {import("./server.mjs").Certificate} Certificate
 * @typedef {{ ask: (question?: unknown) => Promise<any>, end: () => void }} Process
 */

const SECONDS = 60;
const here = fileURLToPath(new URL(".", import.meta.url));
const repository = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Starts a server of `cases/`; the first thing it says is its port.
 *
 * @param {string} cases
 * @param {NetworkContender} contender
 * @param {{ python: Python, certificate?: Certificate | undefined }} options
 */
export const startServer = (cases, contender, { python, certificate }) =>
  start("server", cases, contender, python, { certificate });

/**
 * Starts a client of `cases/`, which makes requests when it is told to.
 *
 * @param {string} cases
 * @param {NetworkContender} contender
 * @param {{ python: Python, url: string, atOnce: number, bytes: number }} options `bytes`: of the file at `url`
 */
export const startClient = (cases, contender, { python, ...job }) => start("client", cases, contender, python, job);

/** Starts what loads a server. @param {import("./load.mjs").Load} load */
export const startLoad = (load) => talkTo(process.execPath, [`${here}load.mjs`, JSON.stringify(load)]);

/**
 * @param {"server" | "client"} harness
 * @param {string} cases
 * @param {NetworkContender} contender
 * @param {Python} python
 * @param {object} job
 */
function start(harness, cases, { file, loop }, python, job) {
  if (loop !== undefined && !python) throw new Error("no python3");
  if (loop === "uvloop" && !python?.uvloop) throw new Error("no uvloop");
  const path = fileURLToPath(new URL(`../cases/${cases}/${file}`, import.meta.url));
  const json = JSON.stringify({ file: path, loop, ...job });
  return loop === undefined
    ? talkTo(process.execPath, ["--expose-gc", `${here}${harness}.mjs`, json])
    : talkTo(/** @type {{ command: string }} */ (python).command, [`${here}${harness}.py`, json]);
}

/**
 * A process that says lines on its stdout, and is asked by lines on its stdin, all of them JSON; it ends when its stdin does.
 *
 * @param {string} command
 * @param {string[]} args
 * @returns {Process} `ask()` without a question waits for what it says by itself
 */
function talkTo(command, args) {
  const child = spawn(command, args, { stdio: "pipe" });
  /** @type {{ resolve: (answer: unknown) => void, reject: (error: Error) => void }[]} */
  const asking = [];
  /** @type {unknown[]} */
  const said = [];
  /** @type {Error | undefined} */
  let over;
  let stderr = "";

  child.stdin.on("error", () => {});
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const answer = JSON.parse(line);
    const first = asking.shift();
    if (first) first.resolve(answer);
    else said.push(answer);
  });
  child.once("error", fail);
  child.once("close", () => {
    const words = stderr.split("\n").find((line) => /error/i.test(line)) ?? stderr.trim().split("\n").at(-1);
    fail(new Error((words || "ended too early").replaceAll(repository, "")));
  });

  /** @param {Error} error */
  function fail(error) {
    over ??= error;
    for (const { reject } of asking.splice(0)) reject(over);
  }

  return {
    async ask(question) {
      if (question !== undefined) child.stdin.write(`${JSON.stringify(question)}\n`);
      if (said.length > 0) return said.shift();
      if (over) throw over;
      const limit = setTimeout(() => fail(new Error(`no answer within ${SECONDS} seconds`)), SECONDS * 1000);
      try {
        return await new Promise((resolve, reject) => {
          asking.push({ resolve, reject });
        });
      } finally {
        clearTimeout(limit);
      }
    },
    end() {
      child.kill("SIGKILL");
    },
  };
}
