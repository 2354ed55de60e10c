import { describe } from "vitest";
import { bothWays } from "./both-ways.js";
import { notifications, store } from "./programs/condition.js";

describe("a condition loses no notification, makes up none, and gives the lock back to whoever waited", () => {
  bothWays(notifications);
});

describe("two conditions on one lock pass on all that is put in a store of one place", () => {
  bothWays(store);
});
