/**
 * What "many at once" is worth: `npm run demo`.
 *
 * Starts a web site of 500 pages on this machine, fetches them all with fetch-many.ts, 50 at a time, and then once more
 * one after another. Each run gets a new site, so that both meet the same troubles. All files are in a
 * temporary folder, which goes in the end.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Coroutine, contextManager, until, within } from "corio";
import { runAsProgram } from "./fetch-many/as-program.js";
import { main as fetchMany } from "./fetch-many.js";
import { kindOf } from "./site/pages.js";
import { startSite } from "./site/site.js";

const pages = 500;
const atOnce = 50;
const patience = ["--timeout", "500", "--retries", "2", "--backoff", "100"];

export function* main(): Coroutine<void> {
  console.log(`A web site of ${pages} pages starts on this machine:\n${contents()}.`);
  yield* within(temporaryFolder(), function* (folder) {
    console.log(`\nAll of them, ${atOnce} at a time (${patience.join(" ")}):\n`);
    const together = yield* measure(join(folder, "together"), atOnce);
    console.log(
      `\nThe same ${pages} one after another. It is really done, all of it, and takes about half a minute:\n`,
    );
    const inTurn = yield* measure(join(folder, "in-turn"), 1);

    console.log(`\n${atOnce} at a time: ${seconds(together)}. One after another: ${seconds(inTurn)}.`);
    console.log(`That is ${(inTurn / together).toFixed(1)} times as fast, in one thread.`);
    console.log("The lists and the results were in a temporary folder, which is removed now.");
  });
}

/** Fetches all pages of a new site; returns how long it took, in milliseconds. */
function* measure(name: string, concurrency: number): Coroutine<number> {
  return yield* within(yield* until(startSite(pages)), function* (site) {
    const list = `${name}.txt`;
    yield* until(writeFile(list, site.urls.join("\n")));
    const began = performance.now();
    yield* fetchMany([list, "--output", `${name}.jsonl`, "--concurrency", String(concurrency), ...patience]);
    const took = performance.now() - began;
    const most = site.greatestInFlight === 1 ? "one" : String(site.greatestInFlight);
    console.log(`It took ${seconds(took)}. The site got ${site.requests} requests, never more than ${most} at a time.`);
    return took;
  });
}

const temporaryFolder = contextManager(function* () {
  const folder = yield* until(mkdtemp(join(tmpdir(), "corio-demo-")));
  try {
    yield folder;
  } finally {
    yield* until(rm(folder, { recursive: true }));
  }
});

/** "348 fast, 72 slow, …" */
function contents(): string {
  const counts = new Map<string, number>();
  for (let number = 1; number <= pages; number++) {
    counts.set(kindOf(number), (counts.get(kindOf(number)) ?? 0) + 1);
  }
  const sorted = [...counts].toSorted(([, a], [, b]) => b - a);
  return sorted.map(([kind, count]) => `${count} ${kind}`).join(", ");
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

await runAsProgram(import.meta, main);
