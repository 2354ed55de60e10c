import { type Coroutine, getRunningLoop, type Task, wait } from "corio";

/**
 * @internal Tries the addresses in their order, alternating between the families; the next one as soon as the one before has
 * failed, or has kept it waiting for `delay` milliseconds. The first connection wins, the others are given up.
 *
 * @throws the error of the only address; of several an AggregateError with the `code` of the first
 * @see RFC 8305, Happy Eyeballs Version 2
 */
export function* happyEyeballs<A extends { readonly family: 4 | 6 }, T extends { destroy(): unknown }>(
  addresses: readonly A[],
  delay: number,
  target: string,
  connect: (address: A) => Coroutine<T>,
): Coroutine<T> {
  const left = interleave(addresses);
  if (left.length === 1) return yield* connect(left[0] as A);
  const loop = getRunningLoop();
  const attempts = new Set<Task<T>>();
  const errors: unknown[] = [];
  let winner: T | undefined;
  try {
    for (;;) {
      const address = left.shift();
      if (address !== undefined) attempts.add(loop.createTask(connect(address)));
      else if (attempts.size === 0) throw allFailed(errors, target);
      const { done } = yield* wait(attempts, {
        returnWhen: "FIRST_COMPLETED",
        ...(left.length > 0 && Number.isFinite(delay) ? { timeout: delay } : {}),
      });
      for (const attempt of done) {
        attempts.delete(attempt);
        const error = attempt.exception();
        if (error === undefined) return (winner = attempt.result());
        errors.push(error);
      }
    }
  } finally {
    yield* giveUp(attempts, winner);
  }
}

/** Ends the attempts that are left. Cancelled meanwhile, nobody gets the winner. */
function* giveUp<T extends { destroy(): unknown }>(
  attempts: ReadonlySet<Task<T>>,
  winner: T | undefined,
): Coroutine<void> {
  for (const attempt of attempts) {
    attempt.cancel();
    attempt.addDoneCallback(() => {
      if (!attempt.cancelled && attempt.exception() === undefined) attempt.result().destroy();
    });
  }
  try {
    if (attempts.size > 0) yield* wait(attempts);
  } catch (cancellation) {
    winner?.destroy();
    throw cancellation;
  }
}

/** The first family first, then by turns. */
function interleave<A extends { readonly family: 4 | 6 }>(addresses: readonly A[]): A[] {
  const first = addresses.filter(({ family }) => family === addresses[0]?.family);
  const second = addresses.filter(({ family }) => family !== addresses[0]?.family);
  const order: A[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++)
    order.push(...first.slice(i, i + 1), ...second.slice(i, i + 1));
  return order;
}

function allFailed(errors: unknown[], target: string): unknown {
  const texts = errors.map((error) => (error instanceof Error ? error.message : String(error)));
  const { code } = (errors[0] ?? {}) as { code?: string };
  return Object.assign(new AggregateError(errors, `cannot connect to ${target}: ${texts.join("; ")}`), { code });
}
