import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { corio } from "../rows.mjs";

/**
 * @typedef {import("../rows.mjs").Row} Row
 * @typedef {import("../rows.mjs").Contender} Contender
 * @typedef {{ command: string, uvloop: string | undefined, aiohttp: string | undefined } | undefined} Python
 * @typedef {{ who: string, label: string, atMost?: number, rounds: number[], walls: number[], median?: number, wall?: number, problem?: string }} Score
 * @typedef {{ id: string, work: string, unit: string, limit?: number, subject: Score, peers: (Score & Ratio)[] }} Result
 * @typedef {{ ratio?: number, ratios?: number[] }} Ratio
 */

const MINUTES = 3;
const here = fileURLToPath(new URL(".", import.meta.url));
const repository = fileURLToPath(new URL("../../", import.meta.url));

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = /** @type {number} */ (sorted[middle]);
  return sorted.length % 2 ? upper : (upper + /** @type {number} */ (sorted[middle - 1])) / 2;
}

/**
 * Lets all contenders of a row work in turn (A B C, A B C, …), each time in a new process, and compares what each took in the same
 * round: a machine that is slow for some seconds is so for both.
 *
 * @param {Row} row
 * @param {{ rounds: number, effort: import("./child.mjs").Effort, python: Python }} options
 * @returns {Promise<Result>}
 */
export async function contest(row, { rounds, effort, python }) {
  const subject = score(row.subject ?? corio);
  const peers = row.peers.map(score);
  for (let round = 0; round < rounds; round++) {
    for (const { contender, score } of [subject, ...peers]) {
      if (score.problem) continue;
      try {
        const outcome = await measure(row.cases ?? row.id, contender, { ...row, effort }, python);
        if ("value" in outcome) score.rounds.push(Number(outcome.value));
        else settle(row, outcome.batches, score);
      } catch (error) {
        score.problem = /** @type {Error} */ (error).message;
      }
    }
  }
  for (const { score } of [subject, ...peers]) {
    if (score.rounds.length > 0) score.median = median(score.rounds);
    if (score.walls.length > 0) score.wall = median(score.walls);
  }
  return {
    id: row.id,
    work: row.work,
    unit: row.unit,
    ...(row.limit && { limit: row.limit }),
    subject: subject.score,
    peers: peers.map(({ score }) => ({ ...score, ...compare(subject.score, score) })),
  };
}

/** @param {Contender} contender */
function score(contender) {
  const { who, label, atMost } = contender;
  return { contender, score: /** @type {Score} */ ({ who, label, ...(atMost && { atMost }), rounds: [], walls: [] }) };
}

/** @param {Row} row @param {import("./child.mjs").Batch[]} batches @param {Score} score */
function settle({ expect }, batches, score) {
  for (const { n, result } of batches) {
    if (expect && result !== expect(n)) throw new Error(`came to ${String(result)} where ${expect(n)} is right`);
  }
  score.rounds.push(median(batches.map(({ value }) => value)));
  const walls = batches.flatMap(({ wall }) => (wall === undefined ? [] : wall));
  if (walls.length > 0) score.walls.push(median(walls));
}

/** @param {Score} ours @param {Score} theirs @returns {Ratio} */
export function compare(ours, theirs) {
  const pairs = Math.min(ours.rounds.length, theirs.rounds.length);
  if (pairs === 0) return {};
  const ratios = ours.rounds.slice(0, pairs).map((value, i) => value / /** @type {number} */ (theirs.rounds[i]));
  return { ratio: median(ratios), ratios };
}

/**
 * Runs one case in a child process.
 *
 * @param {string} folder
 * @param {Contender} contender
 * @param {Pick<Row, "kind" | "n" | "parameters"> & { effort: import("./child.mjs").Effort }} job
 * @param {Python} python
 * @returns {Promise<import("./child.mjs").Outcome>}
 */
export function measure(folder, { who, parameters }, { kind, n, parameters: shared, effort }, python) {
  const inPython = who === "asyncio" || who === "uvloop";
  if (inPython && !python) throw new Error("no python3");
  if (who === "uvloop" && !python?.uvloop) throw new Error("no uvloop");
  const file = fileURLToPath(new URL(`../cases/${folder}/${inPython ? "asyncio.py" : `${who}.mjs`}`, import.meta.url));
  const job = JSON.stringify({ kind, n, file, loop: who, parameters: { ...shared, ...parameters }, effort });
  const [command, ...first] = inPython
    ? [/** @type {{ command: string }} */ (python).command, `${here}child.py`]
    : [process.execPath, "--expose-gc", `${here}child.mjs`];
  return new Promise((resolve, reject) => {
    execFile(command, [...first, job], { timeout: MINUTES * 60_000 }, (error, stdout, stderr) => {
      const last = stdout.trimEnd().split("\n").at(-1);
      if (!error && last) return resolve(JSON.parse(last));
      const said = stderr.split("\n").find((line) => /error/i.test(line)) ?? stderr.trim().split("\n").at(-1);
      const problem = error?.killed ? `no end after ${MINUTES} minutes` : said || error?.message || "said nothing";
      reject(new Error(problem.replaceAll(repository, "")));
    });
  });
}
