import { explore, exploreAsync, type Exploration, replay, replayAsync } from "@corio/testing";
import { type Coroutine, gather, sleep } from "corio";
import { expectTypeOf, test } from "vitest";

function* answer(): Coroutine<number> {
  yield* sleep(0);
  return 42;
}

test("replay gives what the program returns", () => {
  expectTypeOf(replay(answer, "ordinary")).toEqualTypeOf<number>();
  expectTypeOf(replayAsync(answer, "ordinary")).toEqualTypeOf<Promise<number>>();
  expectTypeOf(replay(() => gather(answer(), answer()), "ordinary")).toEqualTypeOf<[number, number]>();
});

test("explore gives what was seen", () => {
  expectTypeOf(explore(answer)).toEqualTypeOf<Exploration>();
  expectTypeOf(exploreAsync(answer)).toEqualTypeOf<Promise<Exploration>>();
  explore(answer, { cancel: (task) => task.name !== "main" });
});

test("what is no program is refused", () => {
  // @ts-expect-error a coroutine runs only once
  void (() => explore(answer()));
  // @ts-expect-error an async function makes no coroutine
  void (() => explore(async () => {}));
  // @ts-expect-error there is no such option
  void (() => explore(answer, { schedule: 5 }));
});
