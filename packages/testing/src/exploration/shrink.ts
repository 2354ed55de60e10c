import type { Schedule } from "./schedule.js";

/**
 * Finds the deviations that matter: leaves out as many as it can while the schedule still fails, in halves first, then smaller
 * parts, then one by one; makes the choices that are left smaller; and begins again as long as that gains anything.
 *
 * @param fails runs a schedule, and gives the deviations that took place if it fails in the same way
 * @param attempts how many runs it may take
 * @see https://doi.org/10.1109/32.988498 Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input
 */
export function* shrink(
  failing: Schedule,
  fails: (schedule: Schedule) => Generator<void, Schedule | undefined, void>,
  attempts = 2_000,
): Generator<void, Schedule, void> {
  let best = failing;
  let left = attempts;
  function* tryIt(schedule: Schedule): Generator<void, boolean, void> {
    if (left-- <= 0) return false;
    const taken = yield* fails(schedule);
    // what it took may be more than was asked for; then nothing is gained
    if (taken === undefined || taken.length > best.length) return false;
    best = taken;
    return true;
  }

  function* leaveOut(): Generator<void, void, void> {
    for (let size = Math.ceil(best.length / 2); size >= 1 && left > 0; ) {
      let shorter = false;
      for (let from = 0; from < best.length && left > 0; ) {
        if (yield* tryIt([...best.slice(0, from), ...best.slice(from + size)])) shorter = true;
        else from += size;
      }
      if (size > 1) size = Math.ceil(size / 2);
      else if (!shorter) break;
    }
  }

  function* makeSmaller(): Generator<void, void, void> {
    for (let i = 0; i < best.length; i++) {
      for (let deviation = best[i]; deviation?.kind === "order" && deviation.choice > 1; deviation = best[i]) {
        if (!(yield* tryIt(best.with(i, { ...deviation, choice: deviation.choice - 1 })))) break;
      }
    }
  }

  for (let before: Schedule | undefined; before !== best && left > 0; ) {
    before = best;
    yield* leaveOut();
    yield* makeSmaller();
  }
  return best;
}
