import { describe, test } from "vitest";
import { bothWays, explored } from "./both-ways.js";
import { errorsAreResults, oneFails } from "./programs/gather.js";
import * as map from "./programs/map.js";
import { losersEnd } from "./programs/race.js";
import { resultsAsTheyCome, shielded, waits } from "./programs/waiting.js";

describe("a gather that fails ends when its coroutines have, and tells each error once", () => {
  bothWays(oneFails);
});

describe("a gather gives errors as results, in their places", () => {
  bothWays(errorsAreResults);
});

describe("a race ends when the losers have, and tells each error once", () => {
  bothWays(losersEnd);
});

describe("a map runs no more at once than it may, and gives the results in order", () => {
  bothWays(map.twoAtOnce, { only: "parent" });

  test("also when one of them is cancelled by itself: then it fails", () =>
    explored(() => map.twoAtOnce(true), { cancel: true }));
});

describe("a map that fails ends when all have that it started", () => {
  bothWays(map.oneFails, { only: "parent" });

  test("also when one of them is cancelled by itself", () =>
    explored(() => map.oneFails(true), { cancel: true }));
});

describe("asCompleted gives every result once", () => {
  bothWays(resultsAsTheyCome, { spared: "work" });
});

describe("what is shielded goes on", () => {
  bothWays(shielded, { spared: "work" });
});

describe("wait leaves what it waits for alone", () => {
  bothWays(waits, { spared: "work" });
});
