export { MemoryNetwork } from "./memory-network.js";
export { memoryStreams, type Streams } from "./memory-streams.js";
export type { Drawn, NetworkConditions } from "./network-conditions.js";
