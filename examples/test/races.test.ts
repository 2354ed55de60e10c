import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ExplorationError, type ExploreOptions, explore, replay, runVirtually } from "@corio/testing";
import type { Coroutine } from "corio";
import { describe, expect, it } from "vitest";
import * as cancelledLockWaiter from "../races/cancelled-lock-waiter.js";
import * as checkThenAct from "../races/check-then-act.js";
import * as leakedResource from "../races/leaked-resource.js";
import * as lostUpdate from "../races/lost-update.js";
import * as missedNotification from "../races/missed-notification.js";

interface Race {
  readonly name: string;
  readonly buggy: () => Coroutine<void>;
  readonly fixed: () => Coroutine<void>;
  readonly options?: ExploreOptions;
  /** What exploration finds: in what way it fails, with what error, and the one choice that it takes. */
  readonly kind: string;
  readonly error: RegExp;
  readonly choice: RegExp;
}

const races: Race[] = [
  {
    name: "lost-update",
    ...lostUpdate,
    kind: "error",
    error: /100 \+ 50 - 30 is 120, and the balance is (?:70|150)/,
    choice: /^withdraw goes before deposit, which became ready first$/,
  },
  {
    name: "check-then-act",
    ...checkThenAct,
    kind: "error",
    error: /QueueEmpty/,
    choice: /^Ada goes before Alan, which became ready first$/,
  },
  {
    name: "missed-notification",
    ...missedNotification,
    kind: "deadlock",
    error: /reader waits for Future/,
    choice: /^postman goes before reader, which became ready first$/,
  },
  {
    name: "cancelled-lock-waiter",
    ...cancelledLockWaiter,
    kind: "error",
    error: /page [ABC] is printed on top of page [ABC]|Lock is not acquired/,
    choice: /^print [BC] is cancelled /,
  },
  {
    name: "leaked-resource",
    ...leakedResource,
    kind: "error",
    error: /1 of 2 connections never came back/,
    choice: /^query [12] is cancelled .* at ping /,
  },
];

describe.each(races)("the race $name", ({ buggy, fixed, options = {}, kind, error, choice }) => {
  it("passes an ordinary test", () => {
    runVirtually(buggy);
  });

  it("is found, and it takes one choice", () => {
    const found = failureOf(() => explore(buggy, { ...options, schedules: 2_000 }));
    expect(found.kind).toBe(kind);
    expect(found.message).toMatch(error);
    expect(found.choices).toEqual([expect.stringMatching(choice)]);
  });

  it("is found by random schedules alone", () => {
    const found = failureOf(() => explore(buggy, { ...options, schedules: 2_000, delays: 0 }));
    expect(found.kind).toBe(kind);
    expect(found.choices.length).toBeLessThanOrEqual(2);
  });

  it.each([{ delays: 0 }, {}])("fails again in the same way when it is replayed, %o", (search) => {
    const found = failureOf(() => explore(buggy, { ...options, ...search, schedules: 2_000 }));
    for (const seed of [found.schedule, found.seed]) {
      const again = failureOf(() => replay(buggy, seed, options));
      expect(again.kind).toBe(found.kind);
      expect(nameOf(again.cause)).toBe(nameOf(found.cause));
    }
    expect(failureOf(() => replay(buggy, found.schedule, options)).timeline).toEqual(found.timeline);
  });

  it("is gone once it is fixed, in 2,000 schedules or all that there are", () => {
    const { schedules, exhaustive } = explore(fixed, { ...options, schedules: 2_000 });
    expect(exhaustive || schedules === 2_000).toBe(true);
    expect(schedules).toBeGreaterThan(10);
  });
});

it("`corio run` tells of a race, and of its end", async () => {
  const corio = fileURLToPath(new URL("../../packages/cli/dist/bin.js", import.meta.url));
  const program = fileURLToPath(new URL("../races/explore-race.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [corio, "run", program, "lost-update"]);
  expect(stdout).toMatch(/^The program throws under schedule \d+ of 2000:/);
  expect(stdout).toMatch(/^The fixed one passes all \d+ schedules that there are\.$/m);
});

function failureOf(run: () => unknown): ExplorationError {
  try {
    run();
  } catch (error) {
    if (error instanceof ExplorationError) return error;
    throw error;
  }
  throw new Error("no schedule fails");
}

function nameOf(error: unknown): string | undefined {
  return error instanceof Error ? error.name : undefined;
}
