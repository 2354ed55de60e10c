import { fileURLToPath } from "node:url";
import * as testing from "@corio/testing";
import { describeDeclarations, describeErrorCodes, describeExports } from "../../../tools/vitest/package-doors.js";

const folder = fileURLToPath(new URL("..", import.meta.url));

const EXPORTS = [
  "type Chaos",
  "coroutineTest",
  "type CoroutineTestOptions",
  "type Exploration",
  "ExplorationError",
  "explore",
  "exploreAsync",
  "type ExploreOptions",
  "type FailureKind",
  "LeakError",
  "type LeakOptions",
  "type Place",
  "type Program",
  "replay",
  "replayAsync",
  "type ReplayOptions",
  "runVirtually",
  "Sequencer",
  "type TimelineEntry",
  "VirtualLoop",
  "type VirtualLoopOptions",
  "waitAllTasksBlocked",
];

describeExports(folder, EXPORTS, testing);
describeErrorCodes(folder);
describeDeclarations(folder, {
  types: "node",
  doors: ["index", "runners/vitest", "runners/node-test", "runners/jest", "streams/index"],
});
