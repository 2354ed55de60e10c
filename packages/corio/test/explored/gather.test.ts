import { describe } from "vitest";
import { bothWays } from "./both-ways.js";
import { errorsAreResults, oneFails } from "./programs/gather.js";
import * as map from "./programs/map.js";
import { losersEnd } from "./programs/race.js";

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
  bothWays(map.twoAtOnce);
});

describe("a map that fails ends when all have that it started", () => {
  bothWays(map.oneFails);
});
