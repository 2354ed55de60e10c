import type { Row } from "./row.js";

/** A table of what came of the URLs: a line for each status or error, the most frequent first, and one for all. */
export function summarize(rows: readonly Row[]): string {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const label = row.outcome === "answered" ? String(row.status) : row.outcome;
    groups.set(label, [...(groups.get(label) ?? []), row]);
  }
  const sorted = [...groups].toSorted(([, a], [, b]) => b.length - a.length);
  return table([
    ["status", "count", "bytes", "p50 ms", "p90 ms", "p99 ms"],
    ...sorted.map(([label, group]) => line(label, group)),
    line("all", rows),
  ]);
}

function line(label: string, rows: readonly Row[]): string[] {
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
  const latencies = rows.filter((row) => row.attempts > 0).map((row) => row.ms);
  const percentiles = [50, 90, 99].map((percent) => percentile(latencies, percent)?.toString() ?? "");
  return [label, String(rows.length), bytes.toLocaleString("en"), ...percentiles];
}

/** The least of the values that at least `percent` of a hundred do not exceed; undefined if there is none. */
export function percentile(values: readonly number[], percent: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
}

function table(lines: string[][]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((cells) => cells[column]!.length)));
  return lines
    .map((cells) =>
      cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  "),
    )
    .join("\n");
}
