import { median } from "./contest.mjs";
import { serverAndClient } from "./talk.mjs";

/**
 * @typedef {import("../network-rows.mjs").NetworkRow} NetworkRow
 * @typedef {import("../network-rows.mjs").Server} Server
 * @typedef {import("./talk.mjs").Process} Process
 * @typedef {{ warmUpMs: number, warmUpMessages: number, sliceMs: number, slices: number, lineBytes: number }} NetworkEffort
 * @typedef {{ rate: number, cpuUs: number, clientBusy: number }} Slice
 *   messages or bytes a second; the server's CPU time for a message or line, in microseconds; the client's share of a core
 * @typedef {Partial<Slice> & { label: string, atLeast?: number, rounds: Slice[], problem?: string }} NetworkScore
 * @typedef {{ id: string, work: string, unit: string, subject: NetworkScore, peers: (NetworkScore & Ratios)[] }} NetworkResult
 * @typedef {{ ratio?: number, ratios?: number[], cpuRatio?: number, cpuRatios?: number[] }} Ratios
 * @typedef {{ server: Server, score: NetworkScore, slices: Slice[], pair?: { server: Process, client: Process } }} Runner
 */

/**
 * In each round every contender's server and its client are started anew. Then they work in turn (A B C, A B C, …) for a
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
  for (let round = 0; round < rounds; round++) {
    try {
      await each(all, async (one) => {
        one.slices = [];
        one.pair = await serverAndClient(row.cases, one.server, { python, tls: row.tls });
        if ("connections" in row.load) {
          await one.pair.client.ask({ open: row.load.connections, bytes: row.load.bytes });
        }
        await warmUp(row, one.pair, effort);
      });
      for (let i = 0; i < effort.slices; i++) {
        await each(all, async ({ pair, slices }) => {
          if (pair) slices.push(await slice(row, pair, effort, effort.sliceMs));
        });
      }
    } finally {
      for (const one of all) {
        one.pair?.client.end();
        one.pair?.server.end();
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
    unit: "line" in row.load ? "bytes/s" : "messages/s",
    subject: whole(subject.score),
    peers: peers.map(({ score, ratios, cpuRatios }) => ({
      ...whole(score),
      ...(ratios.length > 0 && { ratio: median(ratios), ratios, cpuRatio: median(cpuRatios), cpuRatios }),
    })),
  };
}

const numbers = () => /** @type {number[]} */ ([]);

/** @param {Server} server @returns {Runner} */
function runner(server) {
  const { label, atLeast } = server;
  return { server, score: { label, ...(atLeast !== undefined && { atLeast }), rounds: [] }, slices: [] };
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

/** @param {NetworkRow} row @param {{ server: Process, client: Process }} pair @param {NetworkEffort} effort */
async function warmUp(row, pair, effort) {
  const end = performance.now() + effort.warmUpMs;
  do await slice(row, pair, effort, effort.warmUpMs, effort.warmUpMessages);
  while (performance.now() < end);
}

/**
 * @param {NetworkRow} row
 * @param {{ server: Process, client: Process }} pair
 * @param {NetworkEffort} effort
 * @param {number} ms
 * @param {number} [atLeast] messages
 * @returns {Promise<Slice>}
 */
async function slice({ load }, { server, client }, effort, ms, atLeast) {
  if ("line" in load) {
    const [pumped, got] = await Promise.all([client.ask({ pump: effort.lineBytes, line: load.line }), server.ask()]);
    if (got.lines !== pumped.lines || got.bytes !== pumped.bytes) {
      throw new Error(`${got.lines} of ${pumped.lines} lines came, ${got.bytes} of ${pumped.bytes} bytes`);
    }
    return {
      rate: (got.bytes / got.ms) * 1000,
      cpuUs: (got.cpuMs * 1000) / got.lines,
      clientBusy: pumped.cpuMs / pumped.ms,
    };
  }
  const before = await server.ask("cpu");
  const { echoes, ms: took, cpuMs } = await client.ask({ echo: ms, atLeast });
  const after = await server.ask("cpu");
  return {
    rate: (echoes / took) * 1000,
    cpuUs: ((after.cpuMs - before.cpuMs) * 1000) / echoes,
    clientBusy: cpuMs / took,
  };
}

/** @param {Slice[]} slices @returns {Slice} */
const middle = (slices) => ({
  rate: median(slices.map(({ rate }) => rate)),
  cpuUs: median(slices.map(({ cpuUs }) => cpuUs)),
  clientBusy: median(slices.map(({ clientBusy }) => clientBusy)),
});
