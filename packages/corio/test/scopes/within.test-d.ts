import {
  type ContextManager,
  contextManager,
  type Coroutine,
  ExitStack,
  type Future,
  Lock,
  type Manager,
  sleep,
  TaskGroup,
  type Timeout,
  timeout,
  within,
} from "corio";
import { describe, expectTypeOf, test } from "vitest";

declare const file: Disposable & { path: string };
declare const socket: AsyncDisposable & { port: number };
declare const entered: Manager<never> & { enter(): Coroutine<{ id: number }>; exit(error: unknown): void };
declare const synchronous: { enter(): "value"; exit(error: unknown): boolean };
declare function text(): Coroutine<string>;
declare const future: Future<number>;

describe("within", () => {
  test("gives the body's result", () => {
    expectTypeOf(within(new Lock(), () => text())).toEqualTypeOf<Coroutine<string>>();
    expectTypeOf(within(new Lock(), () => future)).toEqualTypeOf<Coroutine<number>>();
    expectTypeOf(within(new Lock(), () => Date.now())).toEqualTypeOf<Coroutine<number>>();
    expectTypeOf(within(timeout(1), () => text())).toEqualTypeOf<Coroutine<string>>();
    expectTypeOf(
      within(new Lock(), function* () {
        yield* sleep(1);
        return { ok: true };
      }),
    ).toEqualTypeOf<Coroutine<{ ok: boolean }>>();
  });

  test("gives undefined as well where a manager may swallow", () => {
    expectTypeOf(within(new TaskGroup(), () => text())).toEqualTypeOf<Coroutine<string | undefined>>();
    expectTypeOf(within(new ExitStack(), () => text())).toEqualTypeOf<Coroutine<string | undefined>>();
    expectTypeOf(within(synchronous, () => text())).toEqualTypeOf<Coroutine<string | undefined>>();
    expectTypeOf(within(new Lock(), new TaskGroup(), () => text())).toEqualTypeOf<Coroutine<string | undefined>>();
  });

  test("hands the entered values to the body, one for each manager", () => {
    within(timeout(1), new TaskGroup(), new ExitStack(), (limit, group, stack) => {
      expectTypeOf(limit).toEqualTypeOf<Timeout>();
      expectTypeOf(group).toEqualTypeOf<TaskGroup>();
      expectTypeOf(stack).toEqualTypeOf<ExitStack>();
    });
    within(file, socket, entered, synchronous, function* (file, socket, value, literal) {
      yield* sleep(1);
      expectTypeOf(file.path).toEqualTypeOf<string>();
      expectTypeOf(socket.port).toEqualTypeOf<number>();
      expectTypeOf(value).toEqualTypeOf<{ id: number }>();
      expectTypeOf(literal).toEqualTypeOf<"value">();
    });
    within(new Lock(), (nothing) => expectTypeOf(nothing).toEqualTypeOf<void>());
  });

  test("refuses what is no manager, and a body that is none", () => {
    // @ts-expect-error no manager
    within({}, () => {});
    // @ts-expect-error no body
    within(new Lock());
    // @ts-expect-error a coroutine is awaited first
    within(text(), () => {});
    // @ts-expect-error more values than managers
    within(new Lock(), (_a: void, _b: string) => {});
  });

  test("a stack's enter gives the manager's value", () => {
    const stack = new ExitStack();
    expectTypeOf(stack.enter(entered)).toEqualTypeOf<Coroutine<{ id: number }>>();
    expectTypeOf(stack.enter(synchronous)).toEqualTypeOf<Coroutine<"value">>();
    expectTypeOf(stack.enter(file)).toEqualTypeOf<Coroutine<Disposable & { path: string }>>();
    expectTypeOf(stack.adopt(1, (value) => void expectTypeOf(value).toEqualTypeOf<number>())).toEqualTypeOf<number>();
    expectTypeOf(stack.move()).toEqualTypeOf<ExitStack>();
  });
});

describe("contextManager", () => {
  test("the value is what the generator yields, not what it waits for", () => {
    const connection = contextManager(function* (url: string, port: number = 80) {
      yield* sleep(1);
      yield { url, port };
    });
    expectTypeOf(connection).parameters.toEqualTypeOf<[url: string, port?: number | undefined]>();
    expectTypeOf(connection("url")).toEqualTypeOf<ContextManager<{ url: string; port: number }>>();
    within(connection("url"), (value) => {
      expectTypeOf(value).toEqualTypeOf<{ url: string; port: number }>();
    });
  });

  test("a bare yield gives nothing", () => {
    const bare = contextManager(function* () {
      yield* sleep(1);
      yield;
    });
    expectTypeOf(bare()).toEqualTypeOf<ContextManager<void>>();
  });

  test("it may swallow", () => {
    const bare = contextManager(function* () {
      yield 1;
    });
    expectTypeOf(within(bare(), () => text())).toEqualTypeOf<Coroutine<string | undefined>>();
  });
});
