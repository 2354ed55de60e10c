import { Context, ContextVar, copyContext, type Token } from "corio";
import { describe, expect, test } from "vitest";

function inContext<T>(fn: () => T): T {
  return copyContext().run(fn);
}

describe("ContextVar", () => {
  test("get gives the value, else the fallback, else the default", () => {
    const variable = new ContextVar<string>("v", { default: "default" });
    inContext(() => {
      expect(variable.get()).toBe("default");
      expect(variable.get("fallback")).toBe("fallback");
      variable.set("value");
      expect(variable.get("fallback")).toBe("value");
    });
  });

  test("undefined is a value, a fallback and a default like any other", () => {
    const variable = new ContextVar<string | undefined>("v", { default: undefined });
    const bare = new ContextVar<string | undefined>("bare");
    inContext(() => {
      expect(variable.get()).toBeUndefined();
      expect(bare.get(undefined)).toBeUndefined();
      bare.set(undefined);
      expect(bare.get("fallback")).toBeUndefined();
    });
  });

  test("get without value, fallback and default names the variable", () => {
    const variable = new ContextVar<number>("request");
    expect(() => variable.get()).toThrow(
      expect.objectContaining({ code: "ERR_CORIO_CONTEXT_LOOKUP", message: expect.stringContaining("request") }),
    );
  });

  test("a variable without a name is refused", () => {
    expect(() => new ContextVar(undefined as unknown as string)).toThrow(
      expect.objectContaining({ name: "TypeError", code: "ERR_CORIO_CONTEXT_VAR" }),
    );
  });

  test("reset restores the value before, or that there was none", () => {
    const variable = new ContextVar<number>("v");
    inContext(() => {
      const first = variable.set(1);
      const second = variable.set(2);
      expect([first.hasOldValue, first.oldValue, second.hasOldValue, second.oldValue]).toEqual([
        false,
        undefined,
        true,
        1,
      ]);
      expect(second.variable).toBe(variable);
      variable.reset(second);
      expect(variable.get()).toBe(1);
      variable.reset(first);
      expect(() => variable.get()).toThrow(expect.objectContaining({ code: "ERR_CORIO_CONTEXT_LOOKUP" }));
    });
  });

  test("a token is used once", () => {
    const variable = new ContextVar<number>("v");
    inContext(() => {
      const token = variable.set(1);
      variable.reset(token);
      expect(() => variable.reset(token)).toThrow(expect.objectContaining({ code: "ERR_CORIO_TOKEN_USED" }));
    });
  });

  test("a token of another variable is refused, and stays good for its own", () => {
    const one = new ContextVar<number>("one");
    const other = new ContextVar<number>("other");
    inContext(() => {
      const token = one.set(1);
      expect(() => other.reset(token)).toThrow(
        expect.objectContaining({ name: "RangeError", code: "ERR_CORIO_TOKEN_VARIABLE" }),
      );
      one.reset(token);
      expect(one.get(0)).toBe(0);
    });
  });

  test("a token of another context is refused", () => {
    const variable = new ContextVar<number>("v");
    const token = new Context().run(() => variable.set(1));
    expect(() => inContext(() => variable.reset(token))).toThrow(
      expect.objectContaining({ name: "RangeError", code: "ERR_CORIO_TOKEN_CONTEXT" }),
    );
  });

  test("what is no token is refused", () => {
    const variable = new ContextVar<number>("v");
    expect(() => variable.reset({} as Token<number>)).toThrow(
      expect.objectContaining({ name: "TypeError", code: "ERR_CORIO_TOKEN" }),
    );
  });
});
