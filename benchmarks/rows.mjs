/**
 * What is measured, against whom, and with which aim.
 *
 * A row has one subject and its peers. Each is a file of `cases/<id>/`, given by its `who` and run in a process of its
 * own; `asyncio` and `uvloop` are both `asyncio.py`. Every contender of a row does the same work and must come to the
 * same result, `expect`.
 *
 * @typedef {{ who: string, label: string, atMost?: number, parameters?: Record<string, unknown> }} Contender
 *   `atMost`: the aim, the subject's value divided by this peer's
 * @typedef {{
 *   id: string,
 *   cases?: string,
 *   work: string,
 *   unit: Unit,
 *   kind: import("./harness/child.mjs").Kind,
 *   n?: number,
 *   parameters?: Record<string, unknown>,
 *   expect?: (n: number) => number,
 *   subject?: Contender,
 *   peers: Contender[],
 *   limit?: number,
 * }} Row `limit`: an aim in the row's own unit, not against a peer; `cases`: the folder, where it is not the id
 * @typedef {"ns" | "ms CPU" | "bytes"} Unit
 */

const count = (/** @type {number} */ n) => n;
const sumBelow = (/** @type {number} */ n) => (n * (n - 1)) / 2;

/** Whom a row measures if it does not say. */
export const corio = { who: "corio", label: "corio" };

/** @param {number} depth @param {"corio" | "coroutine"} who @param {number} [atMost] @returns {Row} */
const resume = (depth, who, atMost) => ({
  id: `depth-${depth}${who === "coroutine" ? "-wrapped" : ""}`,
  cases: "depth",
  work:
    who === "coroutine"
      ? `resume at depth ${depth} through functions made with \`coroutine()\``
      : `resume at depth ${depth} of \`yield*\``,
  unit: "ns",
  kind: "speed",
  parameters: { depth },
  expect: count,
  subject: { who, label: "corio" },
  peers: [{ who: "native", label: "native async functions, as deep", ...(atMost && { atMost }) }],
});

/** @param {string} id @param {string} work @param {string} program @param {number} limit @returns {Row} */
const size = (id, work, program, limit) => ({
  id,
  cases: "size",
  work,
  unit: "bytes",
  kind: "size",
  subject: { who: "bundle", label: "corio", parameters: { program } },
  peers: [],
  limit,
});

/** @type {Row[]} */
export const rows = [
  {
    id: "sleep-zero",
    work: "one task, `yield* sleep(0)` in a loop",
    unit: "ns",
    kind: "speed",
    expect: count,
    peers: [{ who: "native", label: "native: `await` of an async function that awaits once", atMost: 1 }],
  },
  {
    id: "bare-yield",
    work: "one task, bare `yield` in a loop",
    unit: "ns",
    kind: "speed",
    expect: count,
    peers: [{ who: "native", label: "native: `await null`", atMost: 1 }],
  },
  {
    id: "done-future",
    work: "await a future that is already done",
    unit: "ns",
    kind: "speed",
    expect: count,
    peers: [{ who: "native", label: "native: `await` of a resolved promise", atMost: 0.4 }],
  },
  {
    id: "gather",
    work: "a task created, waits once, gathered (100,000 of them)",
    unit: "ns",
    kind: "speed",
    n: 100_000,
    expect: sumBelow,
    peers: [{ who: "native", label: "native: `Promise.all` of as many async functions", atMost: 1 }],
  },
  {
    id: "ping-pong",
    work: "a round trip between two tasks through two queues",
    unit: "ns",
    kind: "speed",
    expect: count,
    peers: [
      { who: "asyncio", label: "asyncio", atMost: 0.1 },
      { who: "uvloop", label: "asyncio on uvloop", atMost: 0.15 },
    ],
  },
  {
    id: "sleeps",
    work: "100,000 sleeps spread over 1 to 1,000 ms: CPU time",
    unit: "ms CPU",
    kind: "cpu",
    n: 100_000,
    expect: count,
    peers: [
      { who: "native", label: "native: timers/promises", atMost: 1.2 },
      { who: "asyncio", label: "asyncio", atMost: 0.2 },
    ],
  },
  {
    id: "spawn",
    work: "spawn a child and join it",
    unit: "ns",
    kind: "speed",
    expect: count,
    peers: [
      { who: "effect", label: "effect", atMost: 0.15 },
      { who: "effection", label: "effection", atMost: 0.01 },
    ],
  },
  resume(1, "corio"),
  resume(3, "corio", 2),
  resume(10, "corio", 4),
  resume(100, "corio"),
  resume(1000, "corio"),
  resume(1, "coroutine"),
  resume(10, "coroutine", 3.5),
  resume(100, "coroutine", 4.5),
  resume(1000, "coroutine"),
  {
    id: "lock",
    work: "a free lock acquired, and released in `finally`",
    unit: "ns",
    kind: "speed",
    expect: count,
    peers: [],
    limit: 30,
  },
  {
    id: "within",
    work: "a free lock entered by `within` with an arrow to a method",
    unit: "ns",
    kind: "speed",
    expect: count,
    peers: [],
    limit: 110,
  },
  {
    id: "until-promise",
    work: "`yield* until(promise)` in a loop",
    unit: "ns",
    kind: "speed",
    expect: count,
    peers: [{ who: "native", label: "native: `await promise`", atMost: 2.5 }],
  },
  {
    id: "limit",
    work: "a job under a limit of 10 at a time (`map` over 10,000)",
    unit: "ns",
    kind: "speed",
    n: 10_000,
    expect: sumBelow,
    peers: [{ who: "p-queue", label: "p-queue" }],
  },
  {
    id: "to-thread",
    work: "`toThread` of an empty function, a round trip",
    unit: "ns",
    kind: "speed",
    n: 10_000,
    expect: count,
    peers: [{ who: "tinypool", label: "tinypool, used directly", atMost: 1.11 }],
  },
  {
    id: "heap",
    work: "heap per sleeping task",
    unit: "bytes",
    kind: "heap",
    n: 100_000,
    expect: count,
    peers: [
      { who: "promise-timeout", label: "native: async function, `await` of a promise and a `setTimeout`", atMost: 0.7 },
      { who: "timers-promises", label: "native: async function, `await` of timers/promises" },
    ],
  },
  {
    id: "leak-promise",
    work: "heap left by 100,000 cancelled waits on one promise that never settles",
    unit: "bytes",
    kind: "leak",
    n: 100_000,
    expect: count,
    peers: [{ who: "native", label: "native: `Promise.race` that the promise loses" }],
    limit: 100_000,
  },
  {
    id: "leak-signal",
    work: "heap left by 100,000 cancelled tasks of one AbortSignal",
    unit: "bytes",
    kind: "leak",
    n: 100_000,
    expect: count,
    peers: [],
    limit: 100_000,
  },
  {
    id: "explore",
    work: "`explore`: a schedule of a program with 5 tasks and 50 steps",
    unit: "ns",
    kind: "speed",
    n: 20_000,
    expect: count,
    peers: [],
    limit: 50_000,
  },
  {
    id: "explore-cancel",
    cases: "explore",
    work: "the same with cancellation injected",
    unit: "ns",
    kind: "speed",
    n: 20_000,
    parameters: { cancel: true },
    expect: count,
    peers: [],
  },
  {
    id: "virtual-sleeps",
    work: "virtual time: 100,000 tasks that sleep for up to an hour",
    unit: "ms CPU",
    kind: "cpu",
    n: 100_000,
    expect: count,
    peers: [],
    limit: 1_000,
  },
  {
    id: "coroutine-test",
    work: "a passing coroutine test, less what a plain vitest test takes",
    unit: "ns",
    kind: "tests",
    peers: [],
    limit: 200_000,
  },
  size(
    "size-run-sleep",
    "`run` and `sleep`, bundled, minified and gzipped",
    'import { run, sleep } from "corio"; run(sleep(1));',
    6000,
  ),
  size("size-core", "the whole core, minified and gzipped", 'export * from "corio";', 16_000),
];

/** What the echo is served beside; none of them has an aim. @type {Contender[]} */
export const echoes = [
  { who: "idle", label: "nothing else to do" },
  { who: "set-immediate", label: "native: `await setImmediate()` in a loop" },
  ...[0, 0.1, 0.25, 1, 5].map((turnBudget) => ({
    who: "corio",
    label: `corio, a turn of ${turnBudget} ms`,
    parameters: { turnBudget },
  })),
];
