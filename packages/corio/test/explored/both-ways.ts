import { explore, type ExploreOptions } from "@corio/testing";
import type { Coroutine } from "corio";
import { expect, test } from "vitest";

/** How many schedules a program is run under, each way, unless there are not so many; 1 is the ordinary order alone. */
const SCHEDULES = Number(process.env["CORIO_SCHEDULES"] ?? 10_000);

interface Options {
  /** Whether time may pass although tasks are ready; default false. */
  readonly slowTasks?: boolean;
  /** The tasks whose name begins so are not cancelled; default only main is not. */
  readonly spared?: string;
}

/**
 * Two tests: explores a program in any order of its tasks, and once more with cancellations of its tasks, wherever they wait.
 *
 * @param program gets whether cancellations are injected: without them it can ask for more
 */
export function bothWays(
  program: (injected: boolean) => Coroutine<void>,
  { slowTasks = false, spared = "main" }: Options = {},
): void {
  const cancel: ExploreOptions["cancel"] = ({ name }) => name !== "main" && !name.startsWith(spared);
  test("in any order of its tasks", () => explored(() => program(false), { slowTasks }));
  test("whoever is cancelled, wherever it waits", () => explored(() => program(true), { slowTasks, cancel }));
}

/** Explores a program; fails if a schedule does, or if fewer were run than there are. */
function explored(program: () => Coroutine<void>, options: ExploreOptions): void {
  const done = explore(program, { ...options, schedules: SCHEDULES });
  expect(done.exhaustive || done.schedules === SCHEDULES).toBe(true);
}
