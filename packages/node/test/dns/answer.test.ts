import { createTask, type ExceptionContext, gather, getRunningLoop, isCancelled, run, sleep } from "corio";
import { describe, expect, test } from "vitest";
import { type Answered, answerOf } from "../../src/dns/answer.js";

describe("answerOf", () => {
  test("gives the answer, or throws the error", async () => {
    await run(function* () {
      expect(yield* answerOf((answered) => setImmediate(() => answered(null, () => 5)))).toBe(5);
      const [error] = yield* gather([answerOf((answered) => answered(new Error("no"), () => 5))], {
        returnExceptions: true,
      });
      expect(error).toEqual(new Error("no"));
    });
  });

  test.each([
    ["before", true],
    ["after", false],
  ])("drops an answer that comes in the turn of the cancellation, %s it, also an error", async (_when, before) => {
    const reports: ExceptionContext[] = [];
    await run(function* () {
      getRunningLoop().exceptionHandler = (_loop, context) => void reports.push(context);
      for (const error of [null, new Error("no")]) {
        let answered!: Answered<number>;
        const task = createTask(answerOf<number>((given) => (answered = given)));
        yield* sleep(0);
        if (before) answered(error, () => 5);
        task.cancel();
        if (!before) answered(error, () => 5);
        const [thrown] = yield* gather([task], { returnExceptions: true });
        expect(isCancelled(thrown)).toBe(true);
        answered(error, () => 5);
      }
    });
    expect(reports).toEqual([]);
  });
});
