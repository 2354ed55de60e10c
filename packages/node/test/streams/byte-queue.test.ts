import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytes, joined, text } from "../support/bytes.js";
import { ByteQueue } from "../support/internals.js";

const queueOf = (...pieces: string[]): ByteQueue => {
  const queue = new ByteQueue();
  for (const piece of pieces) queue.push(bytes(piece));
  return queue;
};

// few different bytes, so that patterns overlap themselves and each other
const piece = fc.uint8Array({ min: 97, max: 99, maxLength: 5 });

describe("a ByteQueue", () => {
  test("hands out a piece that is taken whole without copying it", () => {
    const data = bytes("abc");
    const queue = new ByteQueue();
    queue.push(data);
    expect(queue.take(3)).toBe(data);
    expect(queue.length).toBe(0);
  });

  test("joins what lies in several pieces", () => {
    const queue = queueOf("ab", "cd", "ef");
    expect(text(queue.take(1))).toBe("a");
    expect(text(queue.take(4))).toBe("bcde");
    expect(text(queue.takeAll())).toBe("f");
    expect(queue.takeAll().length).toBe(0);
  });

  test("gives some of what it has without joining", () => {
    const queue = queueOf("ab", "cd");
    expect(text(queue.takeSome(1))).toBe("a");
    expect(text(queue.takeSome(9))).toBe("b");
    expect(text(queue.takeSome(9))).toBe("cd");
    expect(queue.takeSome(9).length).toBe(0);
  });

  test("keeps no empty pieces", () => {
    const queue = queueOf("", "a", "");
    queue.unshift(bytes(""));
    expect(text(queue.takeSome(9))).toBe("a");
    expect(queue.takeSome(9).length).toBe(0);
  });

  test("takes bytes back in front, also of a piece that is begun", () => {
    const queue = queueOf("abc", "d");
    queue.take(1);
    queue.unshift(bytes("xy"));
    expect(queue.length).toBe(5);
    expect(queue.indexOf(bytes("bc"), 0)).toBe(2);
    expect(text(queue.takeAll())).toBe("xybcd");
  });

  test("does what one array of bytes does, whatever is done to it", () => {
    const action = fc.oneof(
      fc.record({ do: fc.constant("push" as const), piece }),
      fc.record({ do: fc.constant("unshift" as const), piece }),
      fc.record({ do: fc.constant("take" as const), size: fc.nat(9) }),
      fc.record({ do: fc.constant("takeSome" as const), size: fc.nat(9) }),
      fc.record({ do: fc.constant("find" as const), piece, from: fc.nat(9) }),
      fc.record({ do: fc.constant("takeAll" as const) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
        const queue = new ByteQueue();
        let model = Buffer.alloc(0);
        const took = (taken: Uint8Array): void => {
          expect(Buffer.compare(taken, model.subarray(0, taken.length))).toBe(0);
          model = model.subarray(taken.length);
        };
        for (const step of actions) {
          if (step.do === "push") {
            queue.push(step.piece);
            model = Buffer.from(joined([model, step.piece]));
          } else if (step.do === "unshift") {
            queue.unshift(step.piece);
            model = Buffer.from(joined([step.piece, model]));
          } else if (step.do === "take") {
            const size = Math.min(step.size, model.length);
            const taken = queue.take(size);
            expect(taken.length).toBe(size);
            took(taken);
          } else if (step.do === "takeSome") {
            const taken = queue.takeSome(step.size);
            if (model.length > 0 && step.size > 0) expect(taken.length).toBeGreaterThan(0);
            expect(taken.length).toBeLessThanOrEqual(step.size);
            took(taken);
          } else if (step.do === "takeAll") {
            const taken = queue.takeAll();
            expect(taken.length).toBe(model.length);
            took(taken);
          } else if (step.piece.length > 0 && step.from <= model.length) {
            expect(queue.indexOf(step.piece, step.from)).toBe(model.indexOf(step.piece, step.from));
          }
          expect(queue.length).toBe(model.length);
        }
      }),
      { numRuns: 500 },
    );
  });
});
