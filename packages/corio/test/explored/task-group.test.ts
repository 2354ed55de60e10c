import { describe } from "vitest";
import { bothWays } from "./both-ways.js";
import { failing, growing, nested } from "./programs/task-group.js";

describe("a group whose members fail ends them all, tells their errors, and loses no cancellation", () => {
  bothWays(failing);
});

describe("a group that is cancelled while it grows ends them all", () => {
  bothWays(growing);
});

describe("groups in one block do not take each other's cancellations for their own", () => {
  bothWays(nested);
});
