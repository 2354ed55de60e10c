import { makeCertificate } from "./certificate.mjs";
import { startNginx } from "./nginx.mjs";
import { startClient, startLoad, startServer } from "./talk.mjs";
import { runWrk } from "./wrk.mjs";

/**
 * A contender and what is at its other end, both running.
 *
 * @typedef {object} Pair
 * @property {(ms: number, atLeast?: number) => Promise<Slice>} slice lets them work for so long, and for so many messages at least
 * @property {() => void} end
 *
 * @typedef {{ rate: number, cpuUs: number, otherEnd: number }} Slice
 *   messages, requests or bytes a second; the contender's CPU time for a message, request or line, in microseconds; which share of a
 *   core the other end took
 *
 * @typedef {import("../network-rows.mjs").NetworkRow} NetworkRow
 * @typedef {import("../network-rows.mjs").NetworkContender} NetworkContender
 * @typedef {{ python: import("./contest.mjs").Python, lineBytes: number }} Options
 */

/** @param {NetworkRow} row @param {NetworkContender} contender @param {Options} options @returns {Promise<Pair>} */
export async function startPair(row, contender, options) {
  const { load } = row;
  if ("get" in load) return withNginx(row, load, contender, options);
  const certificate = row.tls === true ? makeCertificate() : undefined;
  const server = startServer(row.cases, contender, { ...options, certificate });
  try {
    const { port } = await server.ask();
    if ("wrk" in load) return await withWrk(server, port, load);
    const client = startLoad({ port, ...(certificate && { ca: certificate.cert }) });
    return "line" in load ? withLines(server, client, load, options) : await withEchoes(server, client, load);
  } catch (error) {
    server.end();
    throw error;
  }
}

/** @typedef {import("./talk.mjs").Process} Process */

/**
 * @param {Process} server
 * @param {Process} client
 * @param {import("../network-rows.mjs").Echo} load
 * @returns {Promise<Pair>}
 */
async function withEchoes(server, client, { connections, bytes }) {
  await client.ask({ open: connections, bytes });
  return {
    async slice(ms, atLeast) {
      const before = await server.ask("cpu");
      const { echoes, ms: took, cpuMs } = await client.ask({ echo: ms, atLeast });
      const after = await server.ask("cpu");
      return {
        rate: (echoes / took) * 1000,
        cpuUs: ((after.cpuMs - before.cpuMs) * 1000) / echoes,
        otherEnd: cpuMs / took,
      };
    },
    end() {
      client.end();
      server.end();
    },
  };
}

/**
 * @param {Process} server
 * @param {Process} client
 * @param {import("../network-rows.mjs").Lines} load
 * @param {Options} options
 * @returns {Pair}
 */
const withLines = (server, client, { line }, { lineBytes }) => ({
  async slice() {
    const [pumped, got] = await Promise.all([client.ask({ pump: lineBytes, line }), server.ask()]);
    if (got.lines !== pumped.lines || got.bytes !== pumped.bytes) {
      throw new Error(`${got.lines} of ${pumped.lines} lines came, ${got.bytes} of ${pumped.bytes} bytes`);
    }
    return {
      rate: (got.bytes / got.ms) * 1000,
      cpuUs: (got.cpuMs * 1000) / got.lines,
      otherEnd: pumped.cpuMs / pumped.ms,
    };
  },
  end() {
    client.end();
    server.end();
  },
});

/**
 * @param {Process} server
 * @param {number} port
 * @param {import("../network-rows.mjs").Wrk} load
 * @returns {Promise<Pair>}
 */
async function withWrk(server, port, { wrk: connections }) {
  const response = await fetch(`http://127.0.0.1:${port}/`);
  const text = await response.text();
  if (text !== "hello") throw new Error(`the answer is ${response.status} ${text}, and not hello`);
  return {
    async slice(ms) {
      const before = await server.ask("cpu");
      const { requests, ms: took, cpuMs } = await runWrk({ port, connections, ms });
      const after = await server.ask("cpu");
      return {
        rate: (requests / took) * 1000,
        cpuUs: ((after.cpuMs - before.cpuMs) * 1000) / requests,
        otherEnd: cpuMs / took,
      };
    },
    end: server.end,
  };
}

/**
 * @param {NetworkRow} row
 * @param {import("../network-rows.mjs").Get} load
 * @param {NetworkContender} contender
 * @param {Options} options
 * @returns {Promise<Pair>}
 */
async function withNginx({ cases }, { get: bytes, atOnce }, contender, { python }) {
  const nginx = await startNginx(bytes);
  try {
    const client = startClient(cases, contender, { python, url: nginx.url, atOnce, bytes });
    return {
      async slice(ms, atLeast) {
        const before = nginx.cpuMs();
        const { requests, ms: took, cpuMs } = await client.ask({ request: ms, atLeast });
        return {
          rate: (requests / took) * 1000,
          cpuUs: (cpuMs * 1000) / requests,
          otherEnd: (nginx.cpuMs() - before) / took,
        };
      },
      end() {
        client.end();
        nginx.end();
      },
    };
  } catch (error) {
    nginx.end();
    throw error;
  }
}
