import { describe, expect, it } from "vitest";
import * as cpuBound from "../programs/cpu-bound.js";
import * as fetchUrls from "../programs/fetch-urls.js";
import * as subprocess from "../programs/subprocess.js";
import * as toThread from "../programs/to-thread.js";
import { realRun } from "./real-run.js";

describe("to-thread", () => {
  it("gets a value, an error and a cancellation through, while the loop ticks for a thread that is blocked", async () => {
    expect(await realRun(toThread.main)).toEqual({
      output: [
        "a value: 10 ticks were counted from a thread that was blocked",
        "an error: RangeError: 1 / 0",
        "a cancellation: true",
        "the thread knows",
      ],
      reports: [],
    });
  });
});

describe("cpu-bound", () => {
  it("has the same hash from the loop, from a thread and from a process", async () => {
    const { output, reports } = await realRun(cpuBound.main);
    const gap = expect.stringMatching(/^\w+: 26ffe2049bfeee56, longest gap between two ticks \d+ ms$/);
    expect(output).toEqual([gap, gap, gap, gap]);
    expect(output.map((line) => line.slice(0, line.indexOf(":")))).toEqual([
      "allAtOnce",
      "inSlices",
      "inThread",
      "inProcess",
    ]);
    expect(reports).toEqual([]);
  });
});

describe("subprocess", () => {
  it("talks to a child line by line, has its exit code, and ends it when it is cancelled", async () => {
    expect(await realRun(subprocess.main)).toEqual({
      output: [
        "one: ONE",
        "two: TWO",
        "three: THREE",
        "at the end: 3 lines",
        "exit code: 3",
        "it says: ANYBODY THERE?",
        "the child was ended by SIGTERM",
        "cancelled: true",
      ],
      reports: [],
    });
  });
});

describe("fetch-urls", () => {
  it("prints what comes of each URL as it ends, with one that fails among them; the slowest sets the total", async () => {
    const { output, reports } = await realRun(() => fetchUrls.main(["300"]));
    const total = output.at(-1);
    expect(output.slice(0, 7).toSorted()).toEqual([
      "/: 200, 11 characters",
      "/: 200, 11 characters",
      "/about: 200, 16 characters",
      "/missing: 404, 9 characters",
      "/news: 200, 15 characters",
      "/news: 200, 15 characters",
      "http://127.0.0.1:1/: cannot connect to http://127.0.0.1:1/: connect ECONNREFUSED 127.0.0.1:1",
    ]);
    expect(output[7]).toBe("/slow/300: 200, 19 characters");
    expect(total).toMatch(/^8 URLs, 1 without an answer, in \d+\.\d s$/);
    expect(Number(total?.match(/[\d.]+(?= s$)/)?.[0])).toBeGreaterThanOrEqual(0.3);
    expect(reports).toEqual([]);
  });
});
