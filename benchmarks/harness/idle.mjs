import { setTimeout } from "node:timers/promises";
import { compare, median } from "./contest.mjs";
import { startLoad, startServer } from "./talk.mjs";

/**
 * @typedef {import("../network-rows.mjs").IdleRow} IdleRow
 * @typedef {import("../network-rows.mjs").NetworkContender} NetworkContender
 * @typedef {import("./contest.mjs").Result} Result
 * @typedef {import("./contest.mjs").Score} Score
 */

const WARM_UP = 100;

/**
 * What each of many connections holds in the server while nothing is sent: heap and what is accounted to it.
 *
 * @param {IdleRow} row
 * @param {{ rounds: number, n: number }} options
 * @returns {Promise<Result>}
 */
export async function idleContest(row, { rounds, n }) {
  const all = [row.subject, ...row.peers].map((contender) => ({ contender, score: scoreOf(contender) }));
  for (let round = 0; round < rounds; round++) {
    for (const { contender, score } of all) {
      if (score.problem !== undefined) continue;
      try {
        score.rounds.push(await bytesPerConnection(row, contender, n));
      } catch (error) {
        score.problem = /** @type {Error} */ (error).message;
      }
    }
  }
  for (const { score } of all) if (score.rounds.length > 0) score.median = median(score.rounds);
  const [subject, ...peers] = all.map(({ score }) => score);
  const ours = /** @type {Score} */ (subject);
  return {
    id: row.id,
    work: row.work,
    unit: "bytes",
    subject: ours,
    peers: peers.map((score) => ({ ...score, ...compare(ours, score) })),
  };
}

/** @param {NetworkContender} contender @returns {Score} */
const scoreOf = ({ file, label, atMost }) => ({
  who: file,
  label,
  ...(atMost !== undefined && { atMost }),
  rounds: [],
  walls: [],
});

/** @param {IdleRow} row @param {NetworkContender} contender @param {number} n */
async function bytesPerConnection(row, contender, n) {
  const server = startServer(row.cases, contender, { python: undefined });
  /** @type {import("./talk.mjs").Process | undefined} */
  let client;
  const heapWith = async (/** @type {number} */ connections) => {
    for (let looks = 0; looks < 100; looks++) {
      await setTimeout(50);
      const found = await server.ask("heap");
      if (found.connections === connections) return found.heap;
    }
    throw new Error(`the server does not come to ${connections} connections`);
  };
  const { request } = row;
  try {
    client = startLoad({ port: (await server.ask()).port });
    await client.ask({ open: WARM_UP, request });
    await heapWith(WARM_UP);
    await client.ask({ close: true });
    const before = await heapWith(0);
    await client.ask({ open: n, request });
    return ((await heapWith(n)) - before) / n;
  } finally {
    client?.end();
    server.end();
  }
}
