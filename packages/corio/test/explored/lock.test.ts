import { describe } from "vitest";
import { Lock } from "corio";
import { bothWays } from "./both-ways.js";
import { takingTurns } from "./programs/taking-turns.js";

describe("a lock keeps tasks apart, and serves them in the order in which they came", () => {
  bothWays(takingTurns(() => new Lock(), 1));
});
