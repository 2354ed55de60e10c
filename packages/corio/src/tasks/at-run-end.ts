import type { EventLoop } from "../loop/event-loop.js";

/** @internal What else is reported when a run ends; set by what knows of it, so that who does not use that does not load it. */
export const atRunEnd: { report?: (loop: EventLoop) => void } = {};
