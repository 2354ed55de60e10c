import { describe } from "vitest";
import { bothWays } from "./both-ways.js";
import { closedWhenLeft } from "./programs/async-generator.js";

describe("a generator has cleaned up when whoever iterates it has left", () => {
  bothWays(closedWhenLeft);
});
