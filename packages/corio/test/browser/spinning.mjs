// Runs a task that spins with `yield`, and counts what the page gets to do meanwhile, until it has had enough.
import { run } from "../../dist/index.js";

/** What happened so far; `over` when the page has had a click, some frames and a timer. */
export const seen = { switches: 0, clicks: 0, frames: 0, timers: 0, over: false };

document.querySelector("button").addEventListener("click", () => seen.clicks++);
requestAnimationFrame(function count() {
  seen.frames++;
  if (!seen.over) requestAnimationFrame(count);
});
const timer = setInterval(() => seen.timers++, 1);

void run(function* () {
  while (seen.clicks === 0 || seen.frames < 5 || seen.timers < 5) {
    seen.switches++;
    yield;
  }
  seen.over = true;
  clearInterval(timer);
});
