import { median } from "./contest.mjs";

/**
 * @typedef {import("./contest.mjs").Result} Result
 * @typedef {import("./network.mjs").NetworkResult} NetworkResult
 * @typedef {import("./network.mjs").NetworkScore} NetworkScore
 * @typedef {{ label: string, problem?: string, switchesPerSecond?: number, p50?: number, p99?: number }} Echo
 */

/** @param {Result} result @returns {string[][]} one line per peer */
export function resultLines({ work, unit, limit, subject, peers }) {
  const ours = taken(subject, unit);
  if (limit !== undefined) {
    const aim = `at most ${amount(limit, unit)}`;
    const own = [work, ours, aim, "", "", "", mark(subject.median, limit)];
    return [own, ...peers.map((peer) => [work, ours, peer.label, taken(peer, unit), "", "", ""])];
  }
  if (peers.length === 0) return [[work, ours, "", "", "", "", ""]];
  return peers.map((peer) => [
    work,
    ours,
    peer.label,
    taken(peer, unit),
    span(peer.ratio, peer.ratios),
    peer.atMost === undefined ? "" : String(peer.atMost),
    mark(peer.ratio, peer.atMost),
  ]);
}

export const resultHead = ["work", "corio", "against", "takes", "ratio", "at most", ""];

/** @param {{ problem?: string, median?: number }} score @param {string} unit */
const taken = ({ problem, median }, unit) => (problem === undefined ? amount(median, unit) : "failed");

/** @param {number | undefined} ratio @param {number[] | undefined} ratios */
const span = (ratio, ratios = []) =>
  ratio === undefined ? "" : `${short(ratio)} (${short(Math.min(...ratios))} to ${short(Math.max(...ratios))})`;

/** @param {NetworkResult} result @returns {string[][]} one line per peer */
export const networkLines = ({ work, unit, subject, peers }) =>
  peers.map((peer) => [
    work,
    rate(subject, unit),
    peer.label,
    rate(peer, unit),
    span(peer.ratio, peer.ratios),
    peer.atLeast === undefined ? "" : String(peer.atLeast),
    markLeast(peer),
    ...(peer.cpuRatio === undefined
      ? ["", ""]
      : [
          `${cpu(subject, unit)} against ${cpu(peer, unit)}: ${short(peer.cpuRatio)}`,
          `${share(subject)}, ${share(peer)}`,
        ]),
  ]);

export const networkHead = [
  "work",
  "corio",
  "against",
  "does",
  "ratio",
  "at least",
  "",
  "CPU time",
  "the other end, of a core",
];

/** @param {NetworkScore} score */
const share = ({ otherEnd }) => (otherEnd === undefined || Number.isNaN(otherEnd) ? "?" : short(otherEnd));

/** @param {NetworkScore} score @param {string} unit */
function rate({ problem, rate }, unit) {
  if (problem !== undefined) return "failed";
  if (rate === undefined) return "?";
  return unit === "bytes/s" ? `${short(rate / 1e6)} MB/s` : `${short(rate / 1000)} thousand/s`;
}

/** @param {NetworkScore} score @param {string} unit */
const cpu = ({ cpuUs = 0 }, unit) => amount(cpuUs * 1000, "ns") + (unit === "bytes/s" ? " a line" : "");

/** @param {{ ratio?: number, atLeast?: number }} peer */
const markLeast = ({ ratio, atLeast }) =>
  atLeast === undefined ? "" : ratio === undefined ? "?" : ratio >= atLeast ? "yes" : "NO";

/** @param {NetworkResult} result */
export const missedNetwork = ({ peers }) => peers.some((peer) => markLeast(peer) === "NO");

/** @param {{ id: string, subject: { label: string, problem?: string }, peers: { label: string, problem?: string }[] }} result @returns {string[]} why what failed did so */
export const problems = ({ id, subject, peers }) =>
  [subject, ...peers].flatMap(({ label, problem }) => (problem === undefined ? [] : `${id}, ${label}: ${problem}`));

/** @param {number | undefined} value @param {number | undefined} atMost */
const mark = (value, atMost) =>
  atMost === undefined ? "" : value === undefined ? "?" : value <= atMost ? "yes" : "NO";

/** @param {Result} result */
export const missed = ({ limit, subject, peers }) =>
  mark(subject.median, limit) === "NO" || peers.some(({ ratio, atMost }) => mark(ratio, atMost) === "NO");

/** @param {number | undefined} value @param {string} unit */
function amount(value, unit) {
  if (value === undefined) return "?";
  if (unit === "ns") return value < 1000 ? `${short(value)} ns` : `${short(value / 1000)} µs`;
  if (unit === "bytes") return Math.abs(value) < 2000 ? `${Math.round(value)} B` : `${short(value / 1000)} kB`;
  return `${short(value)} ${unit}`;
}

/** Three digits. @param {number} value */
const short = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));

export const echoHead = ["beside the echo", "switches/s", "echo, median", "echo, 99th percentile"];

/** @param {Echo} echo */
export const echoLine = ({ label, problem, switchesPerSecond, p50, p99 }) =>
  problem !== undefined
    ? [label, "failed", "", ""]
    : [
        label,
        switchesPerSecond ? `${short(switchesPerSecond / 1e6)} million` : "",
        `${short(p50 ?? 0)} ms`,
        `${short(p99 ?? 0)} ms`,
      ];

/** @param {string} label @param {{ switchesPerSecond: number, p50: number, p99: number }[]} rounds @returns {Echo} */
export const echoOf = (label, rounds) => ({
  label,
  switchesPerSecond: median(rounds.map((round) => round.switchesPerSecond)),
  p50: median(rounds.map((round) => round.p50)),
  p99: median(rounds.map((round) => round.p99)),
});

/** @param {string[]} head @param {string[][]} lines */
export function textTable(head, lines) {
  const all = [head, ...lines].map((line) => line.map((cell) => cell.replaceAll("`", "")));
  const widths = head.map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  const text = (/** @type {string[]} */ line) =>
    line
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd();
  return all.map(text).join("\n");
}

/** @param {string[]} head @param {string[][]} lines */
export const markdownTable = (head, lines) =>
  [head, head.map(() => "---"), ...lines].map((line) => `| ${line.join(" | ")} |`).join("\n");
