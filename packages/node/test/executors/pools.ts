import { ProcessPoolExecutor } from "../../src/executors/process-pool-executor.js";
import { ThreadPoolExecutor } from "../../src/executors/thread-pool-executor.js";
import { workerFunctions } from "../../src/executors/worker-function.js";
import type * as work from "./fixtures/work.js";
import { NotFound } from "./fixtures/not-found.js";

/** Both kinds of pools: for `describe.each`. */
export const pools = [
  { kind: "thread", Pool: ThreadPoolExecutor },
  { kind: "process", Pool: ProcessPoolExecutor },
] as const;

/** The functions of fixtures/work.ts, which the address calls work.js. */
export const works = workerFunctions<typeof work>(new URL("./fixtures/work.js", import.meta.url), {
  errors: [NotFound],
});
