import { describe } from "vitest";
import { BoundedSemaphore, Semaphore } from "corio";
import { bothWays } from "./both-ways.js";
import { takingTurns } from "./programs/taking-turns.js";

describe("a semaphore lets so many in, in the order in which they came, and keeps its permits", () => {
  bothWays(takingTurns(() => new Semaphore(2), 2));
});

describe("a bounded semaphore does so without a release too many", () => {
  bothWays(takingTurns(() => new BoundedSemaphore(2), 2));
});
