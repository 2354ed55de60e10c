import { LifoQueue } from "corio";
import { describe, expect, test } from "vitest";
import { runCleanly } from "../support/run-cleanly.js";

describe("LifoQueue", () => {
  test("gives the item that was put last", () => {
    runCleanly(function* () {
      const queue = new LifoQueue<string>({ maxSize: 3 });
      for (const item of ["a", "b", "c"]) yield* queue.put(item);
      expect([yield* queue.get(), queue.getNowait()]).toEqual(["c", "b"]);
      yield* queue.put("d");
      expect([yield* queue.get(), yield* queue.get(), queue.empty]).toEqual(["d", "a", true]);
    });
  });
});
