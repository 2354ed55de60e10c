import { Effect, Fiber } from "effect";

const child = Effect.succeed(1);

/** @param {number} n */
const main = (n) =>
  Effect.gen(function* () {
    let sum = 0;
    for (let i = 0; i < n; i++) {
      const fiber = yield* Effect.forkChild(child);
      sum += yield* Fiber.join(fiber);
    }
    return sum;
  });

/** @param {number} n */
export const work = (n) => Effect.runPromise(main(n));
