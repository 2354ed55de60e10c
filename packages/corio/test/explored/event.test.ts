import { describe } from "vitest";
import { bothWays } from "./both-ways.js";
import { onceForAll, pulses } from "./programs/event.js";

describe("an event that is set and cleared at once lets all go on who wait for it", () => {
  bothWays(pulses);
});

describe("an event that stays set holds nobody", () => {
  bothWays(onceForAll);
});
