// Runs one server of `cases/` in a process that does nothing else; `load.mjs` or `wrk` loads it from another.
// usage: node --expose-gc server.mjs '<Job as JSON>'. Says on stdout, a line of JSON each, what it has to say; on stdin it is
// asked "cpu" or "heap", and ends when that ends.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

/**
 * @typedef {{ key: string, cert: string }} Certificate in PEM
 * @typedef {() => number | Promise<number>} Connections how many are open
 * @typedef {object} Control what a server tells of itself
 * @property {(address: { port?: number | undefined } | string | null | undefined, connections?: Connections) => void} listening
 * @property {() => void} connected the connection whose lines are counted has come
 * @property {(lines: number, bytes: number) => void} ended it has ended
 */

/** @type {{ file: string, certificate?: Certificate }} */
const { file, certificate } = JSON.parse(/** @type {string} */ (process.argv[2]));
const gc = /** @type {() => void} */ (globalThis.gc);
const say = (/** @type {unknown} */ value) => process.stdout.write(`${JSON.stringify(value)}\n`);
/** @type {Connections} */
let connections = () => 0;
let wall = 0;
let cpu = 0;

function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function heap() {
  const open = await connections();
  gc();
  gc();
  const { heapUsed, external } = process.memoryUsage();
  say({ heap: heapUsed + external, connections: open });
}

/** @type {Control} */
const control = {
  listening(address, count = connections) {
    connections = count;
    say({ port: /** @type {{ port: number }} */ (address).port });
  },
  connected() {
    wall = performance.now();
    cpu = cpuMs();
  },
  ended(lines, bytes) {
    say({ lines, bytes, ms: performance.now() - wall, cpuMs: cpuMs() - cpu });
  },
};

createInterface({ input: process.stdin })
  .on("line", (question) => {
    if (question === '"heap"') void heap();
    else say({ cpuMs: cpuMs() });
  })
  .on("close", () => process.exit(0));
const program = await import(pathToFileURL(file).href);
await program.serve(control, certificate);
