// virtual time
export { runVirtually, VirtualLoop, type VirtualLoopOptions } from "./virtual-time/virtual-loop.js";
export { waitAllTasksBlocked } from "./virtual-time/wait-all-tasks-blocked.js";
export { type Place, Sequencer } from "./virtual-time/sequencer.js";
export type { Chaos } from "./ready-order/chaos.js";
// exploration of schedules
export { explore, exploreAsync, replay, replayAsync } from "./exploration/explore.js";
export type { Exploration, ExploreOptions, ReplayOptions } from "./exploration/explore-options.js";
export { ExplorationError } from "./exploration/exploration-error.js";
export type { FailureKind } from "./exploration/failure.js";
export type { TimelineEntry } from "./exploration/timeline.js";
export type { Program } from "./exploration/schedule-run.js";
// leaks
export { LeakError } from "./leaks/leak-error.js";
export type { LeakOptions } from "./leaks/left-on-loop.js";
// tests that are coroutines; what is for one runner has a door of its own
export { coroutineTest, type CoroutineTestOptions } from "./runners/coroutine-test.js";
