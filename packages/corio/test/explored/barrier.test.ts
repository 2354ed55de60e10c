import { describe } from "vitest";
import { bothWays } from "./both-ways.js";
import { generations, resetAndAbort } from "./programs/barrier.js";

describe("a barrier lets so many go on together, one generation after another", () => {
  bothWays(generations);
});

describe("a barrier that is reset or aborted holds nobody, and can be used again", () => {
  bothWays(resetAndAbort);
});
