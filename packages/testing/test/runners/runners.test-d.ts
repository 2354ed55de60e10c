import { coroutineTest, type CoroutineTestOptions } from "@corio/testing";
import { test as jestTest } from "@corio/testing/jest";
import { test as nodeTest } from "@corio/testing/node-test";
import { it, test } from "@corio/testing/vitest";
import { type Coroutine, contextManager, Lock, sleep, TaskGroup } from "corio";
import { describe, expectTypeOf, test as check } from "vitest";

interface Database {
  query(text: string): Coroutine<string[]>;
}

declare function openDatabase(): Coroutine<Database>;

describe("coroutineTest", () => {
  check("gives a function with the parameters of the body", () => {
    const run = coroutineTest(function* (a: number, b: string) {
      yield* sleep(a);
      return b;
    });
    expectTypeOf(run).toEqualTypeOf<(a: number, b: string) => Promise<void>>();
    expectTypeOf(coroutineTest(function* () {}, { time: "real" })).toEqualTypeOf<() => Promise<void>>();
  });

  check("takes no other function, and no other options", () => {
    // @ts-expect-error an async function
    coroutineTest(async () => {});
    // @ts-expect-error no such option
    coroutineTest(function* () {}, { retries: 3 });
    // @ts-expect-error no such time
    coroutineTest(function* () {}, { time: "fake" });
    expectTypeOf<CoroutineTestOptions["leaks"]>().not.toBeAny();
  });
});

describe("test", () => {
  check("is the same for every runner", () => {
    expectTypeOf(nodeTest).toEqualTypeOf(test);
    expectTypeOf(jestTest).toEqualTypeOf(test);
    expectTypeOf(it).toEqualTypeOf(test);
  });

  check("infers the types of fixtures, also of those that use others", () => {
    const withDatabase = test.extend({
      database: contextManager(function* () {
        const database = yield* openDatabase();
        yield database;
      }),
      lock: () => new Lock(),
      group: () => new TaskGroup(),
    });
    const withUsers = withDatabase.extend({
      users: ({ database }) => {
        expectTypeOf(database).toEqualTypeOf<Database>();
        return { enter: () => database.query("users"), exit: () => {} };
      },
      file: () => ({ name: "file", [Symbol.dispose]: () => {} }),
    });
    withUsers("a test", function* ({ database, users, file, group, ...rest }) {
      expectTypeOf(database).toEqualTypeOf<Database>();
      expectTypeOf(users).toEqualTypeOf<string[]>();
      expectTypeOf(file.name).toBeString();
      expectTypeOf(group).toEqualTypeOf<TaskGroup>();
      expectTypeOf(rest).toHaveProperty("lock");
    });
    withUsers.with({ time: "real" }).only("a test", { timeout: 10 }, function* ({ users }) {
      expectTypeOf(users).toEqualTypeOf<string[]>();
    });
    // @ts-expect-error there is no such fixture
    withUsers("a test", function* ({ nothing }) {
      yield* nothing;
    });
    // @ts-expect-error there was no such fixture before
    test.extend({ users: ({ database }) => database });
    // @ts-expect-error not a manager
    test.extend({ number: () => 3 });
  });

  check("lets a fixture take the place of another", () => {
    const text = test.extend({ value: () => ({ enter: () => "text", exit: () => {} }) });
    const number = text.extend({ value: ({ value }) => ({ enter: () => value.length, exit: () => {} }) });
    number("a test", function* ({ value }) {
      expectTypeOf(value).toBeNumber();
    });
  });

  check("gives the values of rows, then the fixtures", () => {
    const extended = test.extend({ text: () => ({ enter: () => "text", exit: () => {} }) });
    extended.each([
      [1, "a"],
      [2, "b"],
    ])("%d %s", function* (number, letter, { text }) {
      expectTypeOf(number).toBeNumber();
      expectTypeOf(letter).toBeString();
      expectTypeOf(text).toBeString();
    });
    extended.each([[1, true]] as const)("%d", function* (one, yes) {
      expectTypeOf(one).toEqualTypeOf<1>();
      expectTypeOf(yes).toEqualTypeOf<true>();
    });
    test.each([{ a: 1 }, { a: 2 }])("$a", { timeout: 10 }, function* ({ a }, fixtures) {
      expectTypeOf(a).toBeNumber();
      expectTypeOf(fixtures).toEqualTypeOf<object>();
    });
  });
});
