import { openConnection, startServer } from "@corio/node";
import { MemoryNetwork, type NetworkConditions } from "@corio/testing/streams";
import { describe, expect, test } from "vitest";
import { runConnected } from "../../../node/test/support/run-connected.js";
import { dialogues } from "./dialogues.js";
import { runInMemory } from "./run-in-memory.js";

// The same programs over sockets of this machine and over networks in memory: they see the same.

const networks: [name: string, conditions: NetworkConditions][] = [
  ["a network in memory", {}],
  ["a slow network", { latency: 30, bandwidth: 1_000_000 }],
  ["a network with a small window", { window: 1_000, segment: [1, 3_000] }],
  ["a bad network", { latency: [5, 200], loss: 0.05, segment: [100, 9_000], seed: 5 }],
];
const crumbs: [name: string, conditions: NetworkConditions] = [
  "a network that cuts all to crumbs",
  { latency: [0, 9], segment: [1, 3], loss: 0.05, seed: 9 },
];

describe.each(dialogues)("$title", ({ run, sees, reports = [], bulky = false }) => {
  test("over sockets", async () => {
    const seen = await runConnected(() => run({ openConnection, startServer }), { reports });
    expect(seen).toEqual(sees);
  });

  test.each(bulky ? networks : [...networks, crumbs])("over %s", (_name, conditions) => {
    const seen = runInMemory(() => run(new MemoryNetwork(conditions)), reports);
    expect(seen).toEqual(sees);
  });
});
