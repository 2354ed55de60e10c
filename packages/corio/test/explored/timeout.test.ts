import { describe } from "vitest";
import { bothWays } from "./both-ways.js";
import { limits, waits } from "./programs/timeout.js";

describe("a time limit takes its own request back, and nobody else's", () => {
  bothWays(limits, { slowTasks: true });
});

describe("waitFor waits for the end of what it cancels", () => {
  bothWays(waits, { slowTasks: true, spared: "work" });
});
