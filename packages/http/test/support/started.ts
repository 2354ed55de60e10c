import { type Coroutine, type Manager, until } from "corio";
import { afterAll, beforeAll } from "vitest";

/** What runs until it is stopped. */
export interface Started {
  stop(): Promise<void>;
}

/**
 * Has something started before the tests of a file, or of a `describe`, and stopped after them.
 *
 * @returns a function that gives it to the tests
 *
 * @example
 * const server = useStarted(() => startAiohttpServer());
 * test("answers", async () => void (await fetch(`${server().origin}/echo`)));
 */
export function useStarted<T extends Started>(start: () => Promise<T>): () => T {
  let started: T | undefined;
  beforeAll(async () => {
    started = await start();
  });
  afterAll(() => started?.stop());
  return () => {
    if (started === undefined) throw new Error("ask for it in a test: it is started before the first one");
    return started;
  };
}

/**
 * The same for a block of a coroutine.
 *
 * @example
 * yield* within(started(() => startNginx()), function* (nginx) { … });
 */
export function started<T extends Started>(start: () => Promise<T>): Manager<T> {
  let it: T | undefined;
  return {
    *enter(): Coroutine<T> {
      return (it = yield* until(start()));
    },
    *exit(): Coroutine<void> {
      if (it !== undefined) yield* until(it.stop());
    },
  };
}
