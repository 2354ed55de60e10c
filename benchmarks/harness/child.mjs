// Measures one case, in a process that does nothing else, so that no case runs on what another taught the JIT.
// usage: node --expose-gc child.mjs '<Job as JSON>'; the last line of its output is its Outcome as JSON.
import { pathToFileURL } from "node:url";

/**
 * @typedef {{ warmUpMs: number, batchMs: number, batches: number }} Effort
 * @typedef {{ kind: Kind, file: string, parameters?: unknown, n?: number, effort: Effort }} Job
 * @typedef {"speed" | "cpu" | "heap" | "leak" | "size" | "echo" | "tests"} Kind
 * @typedef {{ value: number, wall?: number, n: number, result: unknown }} Batch
 * @typedef {{ batches: Batch[] } | { value: unknown }} Outcome
 */

/** @type {Job} */
const job = JSON.parse(/** @type {string} */ (process.argv[2]));
const gc = /** @type {() => void} */ (globalThis.gc);
const program = await import(pathToFileURL(job.file).href);
const { effort, parameters } = job;

/** @param {number} n */
async function timed(n) {
  const start = performance.now();
  const before = process.cpuUsage();
  const result = await program.work(n, parameters);
  const { user, system } = process.cpuUsage(before);
  return { cpuMs: (user + system) / 1000, wallMs: performance.now() - start, result };
}

/**
 * Nanoseconds of CPU time per operation, all threads of the process. Nothing that is measured here waits for anything, so
 * on a machine that does nothing else it is the wall time, but for what the garbage collector does on other cores.
 *
 * Nothing forces a garbage collection in between: one that finds no live object of a class also drops what the JIT learned
 * of it, and no program asks for that.
 */
async function speed() {
  let n = job.n ?? 64;
  const warm = performance.now() + effort.warmUpMs;
  for (let rounds = 0; ; rounds++) {
    const { cpuMs } = await timed(n);
    const filled = job.n === undefined ? cpuMs >= effort.batchMs / 2 : rounds >= 1;
    if (filled && performance.now() >= warm) {
      if (job.n === undefined) n = Math.max(1, Math.round((n * effort.batchMs) / cpuMs));
      break;
    }
    if (!filled && job.n === undefined) n *= 2;
  }
  const batches = [];
  for (let i = 0; i < effort.batches; i++) {
    const { cpuMs, wallMs, result } = await timed(n);
    batches.push({ value: (cpuMs * 1e6) / n, wall: (wallMs * 1e6) / n, n, result });
  }
  return { batches };
}

/** Milliseconds of CPU time, all threads of the process, for all `n` operations together; warmed up once. */
async function cpu() {
  const n = /** @type {number} */ (job.n);
  await program.work(n, parameters);
  const batches = [];
  for (let i = 0; i < Math.min(2, effort.batches); i++) {
    const { cpuMs, wallMs, result } = await timed(n);
    batches.push({ value: cpuMs, wall: wallMs, n, result });
  }
  return { batches };
}

function heapUsed() {
  gc();
  gc();
  return process.memoryUsage().heapUsed;
}

/** Bytes of heap that each of `n` things holds while they are held. */
async function heap() {
  const n = /** @type {number} */ (job.n);
  await program.hold(100, () => {});
  const before = heapUsed();
  let after = before;
  const result = await program.hold(n, () => {
    after = heapUsed();
  });
  return { batches: [{ value: (after - before) / n, n, result }] };
}

/** Bytes of heap that are left by `n` waits which are over, after as many others that let the JIT compile what it will. */
async function leak() {
  const n = /** @type {number} */ (job.n);
  let used = 0;
  const look = () => {
    used = heapUsed();
  };
  await program.cancelWaits(n, look);
  const before = used;
  const result = await program.cancelWaits(n, look);
  return { batches: [{ value: used - before, n, result }] };
}

const measure = async () => ({ value: await program.measure(parameters) });

/** @type {Record<Kind, () => Promise<Outcome>>} */
const measures = { speed, cpu, heap, leak, size: measure, echo: measure, tests: measure };
const outcome = await measures[job.kind]();
process.stdout.write(`\n${JSON.stringify(outcome)}\n`, () => process.exit(0));
