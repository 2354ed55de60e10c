// Runs the benchmarks: `npm run bench`. What each row is, and the options, stand in README.md.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { contest, measure } from "./harness/contest.mjs";
import { idleContest } from "./harness/idle.mjs";
import { describeMachine, findPython, machineLine } from "./harness/machine.mjs";
import { networkContest } from "./harness/network.mjs";
import { findProgram } from "./harness/programs.mjs";
import {
  echoHead,
  echoLine,
  echoOf,
  markdownTable,
  missed,
  missedNetwork,
  networkHead,
  networkLines,
  problems,
  resultHead,
  resultLines,
  textTable,
} from "./harness/report.mjs";
import { idleRows, networkRows } from "./network-rows.mjs";
import { echoes, rows } from "./rows.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    rounds: { type: "string" },
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
  },
});
const partial = options.quick || options.only !== undefined;
const rounds = Number(options.rounds ?? (options.quick ? 1 : 7));
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError(`--rounds is a whole number, not ${options.rounds}`);
if (partial && options.write) throw new Error("--write takes the whole table: leave out --only and --quick");

const effort = options.quick ? { warmUpMs: 100, batchMs: 30, batches: 3 } : { warmUpMs: 300, batchMs: 60, batches: 5 };
const networkEffort = options.quick
  ? { warmUpMs: 200, warmUpMessages: 5_000, sliceMs: 100, slices: 3, wrkSlices: 1, lineBytes: 2 ** 24 }
  : { warmUpMs: 700, warmUpMessages: 60_000, sliceMs: 200, slices: 8, wrkSlices: 4, lineBytes: 2 ** 26 };
const idleConnections = options.quick ? 500 : 5000;
const wanted = (/** @type {string} */ name) => options.only?.some((text) => name.includes(text)) ?? true;
const python = findPython();
const machine = describeMachine(python);
const line = machineLine(machine);
console.log(`${line}\n`);
if (!python) console.log("no python3: asyncio is left out\n");
const missing = ["nginx", "wrk"].filter((name) => findProgram(name) === undefined);
for (const name of missing) console.log(`no ${name}: its rows are left out\n`);
/** @param {import("./network-rows.mjs").NetworkRow} row */
const possible = ({ load }) =>
  !("get" in load && missing.includes("nginx")) && !("wrk" in load && missing.includes("wrk"));

const results = [];
for (const row of rows) {
  if (!wanted(`${row.id} ${row.work}`)) continue;
  progress(row.id);
  results.push(await contest(row, { rounds, effort, python }));
}
for (const row of idleRows) {
  if (!wanted(`${row.id} ${row.work}`)) continue;
  progress(row.id);
  results.push(await idleContest(row, { rounds, n: idleConnections }));
}
const network = [];
for (const row of networkRows) {
  if (!wanted(`${row.id} ${row.work}`) || !possible(row)) continue;
  progress(row.id);
  network.push(await networkContest(row, { rounds, effort: networkEffort, python }));
}
const echo = wanted("echo-beside") ? await echoTable() : [];
progress();

const table = onceEach(results.flatMap(resultLines));
const networkTable = onceEach(network.flatMap(networkLines));
if (table.length > 0) console.log(`${textTable(resultHead, table)}\n`);
if (networkTable.length > 0) console.log(`${textTable(networkHead, networkTable)}\n`);
if (echo.length > 0) console.log(`${textTable(echoHead, echo.map(echoLine))}\n`);

const failures = [
  ...results.flatMap(problems),
  ...network.flatMap(problems),
  ...echo.flatMap(({ label, problem }) => (problem === undefined ? [] : `echo, ${label}: ${problem}`)),
];
if (failures.length > 0) console.log(`failed:\n  ${failures.join("\n  ")}\n`);

const fourDigits = (/** @type {string} */ _, /** @type {unknown} */ value) =>
  typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
const json = `${JSON.stringify({ machine, rounds, effort, networkEffort, results, network, echo }, fourDigits, 2)}\n`;
const target = new URL(partial ? ".cache/results.json" : "results.json", import.meta.url);
mkdirSync(new URL(".cache/", import.meta.url), { recursive: true });
writeFileSync(target, json);
if (options.write) writeReadme();
if (!partial) format(target);

const late = [...results.filter(missed), ...network.filter(missedNetwork)].map(({ id }) => id);
if (late.length > 0) console.log(`aims missed: ${late.join(", ")}`);
if (options.check && late.length > 0) process.exitCode = 1;

/** A row that has several peers says its work once. @param {string[][]} lines */
function onceEach(lines) {
  return lines.map((line, i) => (i > 0 && line[0] === lines[i - 1]?.[0] ? ["", "", ...line.slice(2)] : line));
}

async function echoTable() {
  const roundTrips = options.quick ? 1000 : 4000;
  const scores = echoes.map((contender) => ({
    contender,
    rounds: /** @type {{ switchesPerSecond: number, p50: number, p99: number }[]} */ ([]),
    problem: "",
  }));
  for (let round = 0; round < rounds; round++) {
    for (const score of scores) {
      if (score.problem) continue;
      progress(`echo beside ${score.contender.label}`);
      try {
        const outcome = await measure(
          "echo",
          score.contender,
          { kind: "echo", parameters: { roundTrips }, effort },
          undefined,
        );
        if ("value" in outcome) score.rounds.push(/** @type {any} */ (outcome.value));
      } catch (error) {
        score.problem = /** @type {Error} */ (error).message;
      }
    }
  }
  return scores.map(({ contender: { label }, rounds, problem }) =>
    problem ? { label, problem } : echoOf(label, rounds),
  );
}

function writeReadme() {
  const file = new URL("README.md", import.meta.url);
  const [before, , after] = readFileSync(file, "utf8").split(
    /(?<=<!-- results -->\n)([^]*)(?=<!-- end of results -->)/,
  );
  if (after === undefined) throw new Error("README.md has no <!-- results --> … <!-- end of results -->");
  const tables = [
    markdownTable(resultHead, table),
    markdownTable(networkHead, networkTable),
    markdownTable(echoHead, echo.map(echoLine)),
  ].join("\n\n");
  writeFileSync(file, `${before}\n${line}. Medians of ${rounds} rounds.\n\n${tables}\n\n${after}`);
}

/** As the repository has it. @param {URL} file */
function format(file) {
  const biome = createRequire(import.meta.url).resolve("@biomejs/biome/bin/biome");
  execFileSync(process.execPath, [biome, "format", "--write", fileURLToPath(file)], {
    cwd: new URL("..", import.meta.url),
    stdio: "ignore",
  });
}

/** @param {string} [what] */
function progress(what) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${what ? `… ${what}` : ""}`);
}
