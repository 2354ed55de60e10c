import { VirtualLoop } from "@corio/testing";
import { describe, expect, it } from "vitest";
import { programFrame, programStack, withoutOwnFrames } from "../../src/frames/program-lines.js";

// a stack that has frames of this package, of the core, of Node and of this file
function throughAll(): Error {
  const virtual = new VirtualLoop();
  let error = new Error("none");
  virtual.loop.callSoon(() => {
    error = ["one"].map(function mapped() {
      return new Error("two\nlines");
    })[0] as Error;
  });
  virtual.advance(0);
  virtual.runUntilComplete(function* () {});
  virtual.close();
  return error;
}

describe("A stack", () => {
  it("gives the program's first frame", () => {
    expect(programFrame(throughAll().stack)).toMatch(/^at mapped \(.*program-lines\.test\.ts:\d+:\d+\)$/);
    expect(
      programFrame("Error\n    at node:net:1:2\n    at load (/a/node_modules/x/y.js:1:1)\n    at /a/b.js:1:1"),
    ).toBe("at /a/b.js:1:1");
    expect(programFrame("Error\n    at Server.listen (node:net:1:2)")).toBeUndefined();
    expect(programFrame(undefined)).toBeUndefined();
  });

  it("is told with the program's frames only", () => {
    const text = programStack(throughAll());
    expect(text).toMatch(/^Error: two\nlines\n {4}at mapped /);
    expect(text).not.toMatch(/\/(src|dist)\/|node:|<anonymous>/);
    expect(programStack("text")).toBe("text");
    expect(programStack(Object.assign(new Error("no stack"), { stack: undefined }))).toBe("Error: no stack");
  });

  it("is told without this package's own frames, wherever it stands in a text", () => {
    const { stack = "" } = throughAll();
    expect(stack).toMatch(/testing\/(src|dist)\/virtual-time/);
    const text = withoutOwnFrames(`first\n${stack}\nat the end`);
    expect(text).toMatch(/^first\nError: two\nlines\n {4}at mapped (.|\n)*\nat the end$/);
    expect(text).toMatch(/corio\/(src|dist)\//);
    expect(text).not.toMatch(/testing\/(src|dist)\//);
  });
});
