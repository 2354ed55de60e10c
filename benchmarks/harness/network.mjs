import { median } from "./contest.mjs";
import { startPair } from "./pair.mjs";

/**
 * @typedef {import("../network-rows.mjs").NetworkRow} NetworkRow
 * @typedef {import("../network-rows.mjs").NetworkContender} NetworkContender
 * @typedef {import("./pair.mjs").Pair} Pair
 * @typedef {import("./pair.mjs").Slice} Slice
 * @typedef {{ warmUpMs: number, warmUpMessages: number, sliceMs: number, slices: number, wrkSlices: number, lineBytes: number }} NetworkEffort
 * @typedef {Partial<Slice> & { label: string, atLeast?: number, rounds: Slice[], problem?: string }} NetworkScore
 * @typedef {{ id: string, work: string, unit: string, subject: NetworkScore, peers: (NetworkScore & Ratios)[] }} NetworkResult
 * @typedef {{ ratio?: number, ratios?: number[], cpuRatio?: number, cpuRatios?: number[] }} Ratios
 * @typedef {{ contender: NetworkContender, score: NetworkScore, slices: Slice[], pair?: Pair }} Runner
 */

/**
 * In each round every contender and what is at its other end are started anew. Then they work in turn (A B C, A B C, …) for a
 * slice of time each, while the others wait: what else the machine does hits all of them alike. A round's rate is the median of
 * its slices, its ratio the median of the ratios of the slices that were side by side.
 *
 * @param {NetworkRow} row
 * @param {{ rounds: number, effort: NetworkEffort, python: import("./contest.mjs").Python }} options
 * @returns {Promise<NetworkResult>}
 */
export async function networkContest(row, { rounds, effort, python }) {
  const subject = runner(row.subject);
  const peers = row.peers.map((peer) => ({ ...runner(peer), ratios: numbers(), cpuRatios: numbers() }));
  const all = [subject, ...peers];
  const slices = "wrk" in row.load ? effort.wrkSlices : effort.slices;
  for (let round = 0; round < rounds; round++) {
    try {
      await each(all, async (one) => {
        one.slices = [];
        one.pair = await startPair(row, one.contender, { python, lineBytes: effort.lineBytes });
        await warmUp(one.pair, effort);
      });
      for (let i = 0; i < slices; i++) {
        await each(all, async ({ pair, slices }) => {
          if (pair) slices.push(await pair.slice(effort.sliceMs));
        });
      }
    } finally {
      for (const one of all) {
        one.pair?.end();
        delete one.pair;
      }
    }
    for (const { score, slices } of all) if (score.problem === undefined) score.rounds.push(middle(slices));
    for (const { score, slices, ratios, cpuRatios } of peers) {
      if (score.problem !== undefined || subject.score.problem !== undefined) continue;
      const beside = (/** @type {number} */ at) => /** @type {Slice} */ (subject.slices[at]);
      ratios.push(median(slices.map(({ rate }, at) => beside(at).rate / rate)));
      cpuRatios.push(median(slices.map(({ cpuUs }, at) => beside(at).cpuUs / cpuUs)));
    }
  }
  const whole = (/** @type {NetworkScore} */ score) =>
    score.rounds.length > 0 ? { ...score, ...middle(score.rounds) } : score;
  return {
    id: row.id,
    work: row.work,
    unit: "line" in row.load ? "bytes/s" : "connections" in row.load ? "messages/s" : "requests/s",
    subject: whole(subject.score),
    peers: peers.map(({ score, ratios, cpuRatios }) => ({
      ...whole(score),
      ...(ratios.length > 0 && { ratio: median(ratios), ratios, cpuRatio: median(cpuRatios), cpuRatios }),
    })),
  };
}

const numbers = () => /** @type {number[]} */ ([]);

/** @param {NetworkContender} contender @returns {Runner} */
function runner(contender) {
  const { label, atLeast } = contender;
  return { contender, score: { label, ...(atLeast !== undefined && { atLeast }), rounds: [] }, slices: [] };
}

/** @param {Runner[]} runners @param {(runner: Runner) => Promise<void>} work */
async function each(runners, work) {
  for (const one of runners) {
    if (one.score.problem !== undefined) continue;
    try {
      await work(one);
    } catch (error) {
      one.score.problem = /** @type {Error} */ (error).message;
    }
  }
}

/** @param {Pair} pair @param {NetworkEffort} effort */
async function warmUp(pair, effort) {
  const end = performance.now() + effort.warmUpMs;
  do await pair.slice(effort.warmUpMs, effort.warmUpMessages);
  while (performance.now() < end);
}

/** @param {Slice[]} slices @returns {Slice} */
const middle = (slices) => ({
  rate: median(slices.map(({ rate }) => rate)),
  cpuUs: median(slices.map(({ cpuUs }) => cpuUs)),
  otherEnd: median(slices.map(({ otherEnd }) => otherEnd)),
});
