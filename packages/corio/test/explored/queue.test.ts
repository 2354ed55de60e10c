import { describe } from "vitest";
import { LifoQueue, PriorityQueue, Queue } from "corio";
import { bothWays } from "./both-ways.js";
import { firstInFirstOut, lastInFirstOut, leastFirst, passing, shuttingDown } from "./programs/queue.js";

const maxSize = 1;

describe("a queue gives every item once, first in, first out", () => {
  bothWays(passing(() => new Queue({ maxSize }), firstInFirstOut));
});

describe("a LIFO queue gives the last first", () => {
  bothWays(passing(() => new LifoQueue({ maxSize: 2 }), lastInFirstOut));
});

describe("a priority queue gives the least first", () => {
  bothWays(passing(() => new PriorityQueue({ maxSize: 2 }), leastFirst));
});

describe("a queue that is shut down tells all, and gives what it holds", () => {
  bothWays(shuttingDown(() => new Queue({ maxSize }), { immediate: false }));
});

describe("a queue that is shut down immediately drops what it holds", () => {
  bothWays(shuttingDown(() => new Queue({ maxSize }), { immediate: true }));
});
