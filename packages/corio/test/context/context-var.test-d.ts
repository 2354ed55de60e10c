import { ContextVar, copyContext, type Token } from "corio";
import { expectTypeOf, test } from "vitest";

test("a context variable has the type of its values", () => {
  const user = new ContextVar<string>("user", { default: "nobody" });
  expectTypeOf(user.get()).toEqualTypeOf<string>();
  expectTypeOf(user.set("somebody")).toEqualTypeOf<Token<string>>();
  expectTypeOf(user.set("somebody").variable).toEqualTypeOf<ContextVar<string>>();
  // @ts-expect-error no such value
  user.set(1);
  // @ts-expect-error another variable's token
  user.reset(new ContextVar<number>("n").set(1));
});

test("run gives what the function returns", () => {
  expectTypeOf(copyContext().run(() => Date.now())).toEqualTypeOf<number>();
});
