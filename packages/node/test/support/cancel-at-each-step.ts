import { type Coroutine, createTask, Future, getRunningLoop, isCancelled, type Suspension, type Task } from "corio";
import { expect } from "vitest";

/** When, seen from the suspension at which it is to be cancelled, a task is cancelled. */
export type Moment = "before it waits" | "a turn later" | "as it is woken";

export const moments: readonly Moment[] = ["before it waits", "a turn later", "as it is woken"];

/** How a coroutine ended that was to be cancelled. */
export interface Ended {
  /** Whether it came so far. */
  readonly reached: boolean;
  /** Whether the cancellation ended it; one that comes "as it is woken" may come too late. */
  readonly cancelled: boolean;
}

/**
 * Runs a scenario again and again, cancelled at its first, second, third … suspension, until it runs through.
 *
 * @param scenario runs once, and hands its coroutine to `cancelAt`
 */
export async function cancelAtEachStep(
  moment: Moment,
  scenario: (cancelAt: (coroutine: Coroutine<unknown>) => Coroutine<Ended>, step: number) => Promise<void>,
): Promise<void> {
  for (let step = 1; ; step++) {
    let reached = false;
    await scenario(function* (coroutine) {
      const ended = yield* cancelledAt(coroutine, step, moment);
      ({ reached } = ended);
      return ended;
    }, step);
    if (!reached) {
      // or the scenario waits for nothing, and nothing was tested
      expect(step, "suspensions").toBeGreaterThan(1);
      return;
    }
  }
}

function* cancelledAt(coroutine: Coroutine<unknown>, step: number, moment: Moment): Coroutine<Ended> {
  let reached = false;
  const task: Task<unknown> = createTask(
    counting(coroutine, step, (awaited) => {
      reached = true;
      cancel(task, awaited, moment);
    }),
  );
  try {
    yield* task;
  } catch (error) {
    if (!isCancelled(error) || !task.done) throw error;
    return { reached, cancelled: true };
  }
  return { reached, cancelled: false };
}

function cancel(task: Task<unknown>, awaited: unknown, moment: Moment): void {
  const loop = getRunningLoop();
  if (moment === "before it waits") task.cancel();
  else if (moment === "a turn later") setImmediate(() => task.cancel());
  // before the callback by which the future wakes the task
  else if (awaited instanceof Future) awaited.addDoneCallback(() => task.cancel());
  else loop.callSoon(() => task.cancel());
}

/** The same coroutine, whose suspensions are counted. */
function* counting<T>(coroutine: Coroutine<T>, step: number, reached: (awaited: unknown) => void): Coroutine<T> {
  let resume = (): IteratorResult<Suspension, T> => coroutine.next();
  for (let steps = 0; ; ) {
    const answer = resume();
    if (answer.done === true) return answer.value;
    if (++steps === step) reached(answer.value);
    try {
      const sent: void = yield answer.value;
      resume = () => coroutine.next(sent);
    } catch (error) {
      resume = () => coroutine.throw(error);
    }
  }
}
