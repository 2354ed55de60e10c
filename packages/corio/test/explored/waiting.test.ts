import { describe } from "vitest";
import { bothWays } from "./both-ways.js";
import { resultsAsTheyCome, shielded, waits } from "./programs/waiting.js";

describe("asCompleted gives every result once, as soon as it has come", () => {
  bothWays(resultsAsTheyCome, { spared: "work" });
});

describe("what is shielded goes on", () => {
  bothWays(shielded, { spared: "work" });
});

describe("wait leaves what it waits for alone", () => {
  bothWays(waits, { spared: "work" });
});
