import { describe, expect, it } from "vitest";
import { rowTitle } from "../../src/runners/row-title.js";

describe("rowTitle", () => {
  it.each([
    ["%s and %s", [1, "two"], "1 and two"],
    ["%j", [{ a: [1] }], '{"a":[1]}'],
    ["%s", [{ a: 1 }], '{"a":1}'],
    ["%d %d", ["3", 4n], "3 4"],
    ["%s %s", [null, undefined], "null undefined"],
    ["%j", [undefined], "undefined"],
    ["number %#", [1], "number 7"],
    ["100%% of %s", [1], "100% of 1"],
    ["%s %s", [1], "1 %s"],
    ["%s", "text", "text"],
    ["%s", [[1, 2]], "[1,2]"],
    ["$name has $count, not $other", { name: "a", count: 3 }, "a has 3, not $other"],
    ["$toString", "text", "$toString"],
    ["plain", [1], "plain"],
    ["", [1], ""],
  ])("makes of %s the right title", (title, row, expected) => {
    expect(rowTitle(title, row, 7)).toBe(expected);
  });

  it("does not fill in what a value happens to contain", () => {
    expect(rowTitle("%s %s", ["%s", "x"], 0)).toBe("%s x");
  });

  it("shows what JSON cannot", () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;
    expect(rowTitle("%j %s", [circle, Symbol("s")], 0)).toBe("[object Object] Symbol(s)");
  });
});
