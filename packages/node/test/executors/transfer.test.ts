import { MessageChannel, type MessagePort } from "node:worker_threads";
import { run, until, within } from "corio";
import { describe, expect, test } from "vitest";
import { ProcessPoolExecutor } from "../../src/executors/process-pool-executor.js";
import { ThreadPoolExecutor } from "../../src/executors/thread-pool-executor.js";
import { transfer } from "../../src/executors/transfer.js";
import { Gate } from "./gate.js";
import { works } from "./pools.js";

const sum = (data: Uint8Array): number => data.reduce((a, b) => a + b, 0);

describe("transfer", () => {
  test("hands an argument over to a thread; without it, it is copied", async () => {
    const copied = new Uint8Array([1, 2, 3]);
    const moved = new Uint8Array([4, 5, 6]);
    await run(
      within(new ThreadPoolExecutor({ maxWorkers: 1 }), function* (pool) {
        expect(yield* pool.submit(sum, copied)).toBe(6);
        expect(copied.length).toBe(3);
        expect(transfer(moved)).toBe(moved);
        expect(moved.length).toBe(3);
        expect(yield* pool.submit(sum, moved)).toBe(15);
        expect(moved.length).toBe(0);
        const error = yield* until(pool.submit(sum, moved).then(undefined, (error: unknown) => error));
        expect(error).toMatchObject({
          message: expect.stringMatching(/argument 1 is an? Uint8Array that was transferred before/),
        });
      }),
    );
  });

  test("hands a result over, and what is in it where it is said", async () => {
    await run(
      within(new ThreadPoolExecutor({ maxWorkers: 1 }), function* (pool) {
        const data = new Uint8Array(4);
        const back = yield* pool.submit(works.handBack, transfer(data));
        expect([...back]).toEqual([7, 0, 0, 0]);
        const { port1, port2 } = new MessageChannel();
        const buffer = new ArrayBuffer(8);
        const answer = new Promise((resolve) => {
          port1.once("message", resolve);
        });
        const length = yield* pool.submit(
          ({ port, buffer }: { port: MessagePort; buffer: ArrayBuffer }) => {
            port.postMessage("from the thread");
            port.close();
            return buffer.byteLength;
          },
          transfer({ port: port2, buffer }, [port2, buffer]),
        );
        expect([length, buffer.byteLength]).toEqual([8, 0]);
        expect(yield* pool.submit(() => 1)).toBe(1);
        expect(yield* until(answer)).toBe("from the thread");
        port1.close();
      }),
    );
  });

  test("leaves with the caller what was cancelled before its worker had started", async () => {
    using gate = new Gate();
    gate.open();
    await run(
      within(new ThreadPoolExecutor({ maxWorkers: 1 }), function* (pool) {
        const data = new Uint8Array(4);
        pool.submit(sum, transfer(data)).cancel();
        expect(yield* pool.submit(works.pass, gate.folder, "next", 1)).toBe(1);
        expect(data.length).toBe(4);
      }),
    );
  });

  test("copies between processes", async () => {
    await run(
      within(new ProcessPoolExecutor({ maxWorkers: 1 }), function* (pool) {
        const data = new Uint8Array([1, 2]);
        expect(yield* pool.submit(sum, transfer(data))).toBe(3);
        expect(data.length).toBe(2);
        expect([...(yield* pool.submit(works.handBack, data))]).toEqual([7, 2]);
      }),
    );
  });

  test("is for objects", () => {
    expect(() => transfer(1 as never)).toThrow(
      expect.objectContaining({ name: "TypeError", code: "ERR_CORIO_TRANSFER" }),
    );
  });
});

describe("shared memory", () => {
  test("is shared with threads, both ways", async () => {
    await run(
      within(new ThreadPoolExecutor({ maxWorkers: 1 }), function* (pool) {
        const shared = new Int32Array(new SharedArrayBuffer(8));
        const back = yield* pool.submit((shared: Int32Array) => {
          Atomics.store(shared, 0, 5);
          return shared;
        }, shared);
        expect(shared[0]).toBe(5);
        shared[1] = 6;
        expect([...back]).toEqual([5, 6]);
      }),
    );
  });

  test("is refused for processes", async () => {
    await run(
      within(new ProcessPoolExecutor({ maxWorkers: 1 }), function* (pool) {
        for (const shared of [new SharedArrayBuffer(8), new Int32Array(new SharedArrayBuffer(8))]) {
          const error = yield* until(
            pool.submit((x: unknown) => typeof x, { shared }).then(undefined, (error: unknown) => error),
          );
          expect(error).toMatchObject({
            code: "ERR_CORIO_UNCLONEABLE",
            message: expect.stringMatching(/argument 1\.shared is .*shar.*processes share no memory, threads do/i),
          });
        }
      }),
    );
  });
});
