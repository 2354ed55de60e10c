import { platform } from "./platform.js";

// Captured when the module loads: a test runner's fake timers must not freeze the loop.
const { setTimeout, clearTimeout, performance } = platform;
export const now = performance.now.bind(performance);

// What the timers of hosts can take; they run what is longer at once.
const LONGEST = 2 ** 31 - 1;

/** `setTimeout` up to a time on the clock, however far away. Returns a function that calls it off. */
export function runAt(when: number, callback: () => void): () => void {
  let timer = setTimeout(fire, delayUntil(when));
  function fire(): void {
    if (when - now() >= 1) timer = setTimeout(fire, delayUntil(when));
    else callback();
  }
  return () => clearTimeout(timer);
}

function delayUntil(when: number): number {
  return Math.min(Math.max(Math.ceil(when - now()), 0), LONGEST);
}
