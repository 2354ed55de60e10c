// Runs one client of `cases/` in a process that does nothing else; it requests one file of a server in another.
// usage: node client.mjs '<Job as JSON>'. It is told on stdin, a line of JSON each, how long to go on, and says what came of it.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

/**
 * @typedef {object} Control what a client is told
 * @property {string} url
 * @property {number} atOnce how many requests are to be under way at the same time
 * @property {() => Promise<void>} begin waits until requests are wanted
 * @property {() => boolean} wanted whether one more is wanted; if not, those that are under way are to be finished
 * @property {(body: Uint8Array) => void} got the body of an answer has come
 * @property {() => void} end all have come
 */

/** @type {{ file: string, url: string, atOnce: number, bytes: number }} */
const { file, url, atOnce, bytes } = JSON.parse(/** @type {string} */ (process.argv[2]));
let requests = 0;
let wall = 0;
let until = 0;
let least = 0;
/** @type {NodeJS.CpuUsage} */
let cpu;

const input = createInterface({ input: process.stdin }).on("close", () => process.exit(0));
const orders = input[Symbol.asyncIterator]();

/** @type {Control} */
const control = {
  url,
  atOnce,
  async begin() {
    const { value } = await orders.next();
    const order = JSON.parse(value);
    least = order.atLeast ?? 0;
    requests = 0;
    cpu = process.cpuUsage();
    wall = performance.now();
    until = wall + order.request;
  },
  wanted: () => performance.now() < until || requests < least,
  got(body) {
    if (body.length !== bytes) throw new Error(`${body.length} of ${bytes} bytes came`);
    requests++;
  },
  end() {
    const { user, system } = process.cpuUsage(cpu);
    const said = { requests, ms: performance.now() - wall, cpuMs: (user + system) / 1000 };
    process.stdout.write(`${JSON.stringify(said)}\n`);
  },
};

const program = await import(pathToFileURL(file).href);
await program.request(control);
