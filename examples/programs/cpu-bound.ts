/**
 * A hash of a large file beside a ticker. On the loop: all at once nothing else runs meanwhile; in slices, with a `yield` after
 * each, the ticker keeps ticking. What cannot be cut into slices belongs into a thread or a process.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ProcessPoolExecutor, ThreadPoolExecutor, workerFunction } from "@corio/node";
import { contextManager, type Coroutine, createTask, sleep, until, within } from "corio";
import type * as hashing from "./cpu-bound/hash-file.js";

export const size = 128 * 2 ** 20;
const slice = 64 * 2 ** 10;

function* allAtOnce(input: Buffer) {
  return createHash("sha256").update(input).digest("hex");
}

function* inSlices(input: Buffer) {
  const hash = createHash("sha256");
  for (let start = 0; start < input.length; start += slice) {
    hash.update(input.subarray(start, start + slice));
    yield; // the others have their turn
  }
  return hash.digest("hex");
}

// Workers get copies of what they are given: the name of a file is a small thing to copy.
const hashFile = workerFunction<typeof hashing>(new URL("./cpu-bound/hash-file.js", import.meta.url), "hashFile");

function* inThread(path: string) {
  return yield* within(new ThreadPoolExecutor({ maxWorkers: 1 }), (pool) => pool.submit(hashFile, path));
}

function* inProcess(path: string) {
  return yield* within(new ProcessPoolExecutor({ maxWorkers: 1 }), (pool) => pool.submit(hashFile, path));
}

function* besideTicker<T>(hash: (input: T) => Coroutine<string>, input: T) {
  let longestGap = 0;
  const ticker = createTask(function* () {
    for (let last = performance.now(); ; ) {
      yield* sleep(10);
      const now = performance.now();
      longestGap = Math.max(longestGap, now - last);
      last = now;
    }
  });

  yield* sleep(50);
  const digest = yield* hash(input);
  yield* sleep(50);
  ticker.cancel();
  console.log(`${hash.name}: ${digest.slice(0, 16)}, longest gap between two ticks ${longestGap.toFixed(0)} ms`);
}

export function* onTheLoop(input: Buffer) {
  yield* besideTicker(allAtOnce, input);
  yield* besideTicker(inSlices, input);
}

const temporaryFile = contextManager(function* (content: Buffer) {
  const folder = mkdtempSync(join(tmpdir(), "cpu-bound-"));
  try {
    const path = join(folder, "input");
    yield* until(writeFile(path, content));
    yield path;
  } finally {
    rmSync(folder, { recursive: true });
  }
});

export function* main() {
  const input = Buffer.alloc(size, "corio");
  yield* onTheLoop(input);
  yield* within(temporaryFile(input), function* (path) {
    yield* besideTicker(inThread, path);
    yield* besideTicker(inProcess, path);
  });
}
