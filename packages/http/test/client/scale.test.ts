import { type Coroutine, createTask, forEach, gather, sleep, type Task, within } from "corio";
import { describe, expect, test } from "vitest";
import { openHandles } from "../../../node/test/support/open-handles.js";
import { ClientSession } from "../../src/index.js";
import { answer } from "../support/faults.js";
import { nextRequest } from "../support/raw-server.js";
import type { Answer } from "./origin-server.js";
import { withOrigin, withRawServer } from "./session-setting.js";

const echo: Answer = ({ url }, response) => response.end(url);

const MEBI = 1024 * 1024;

function collected(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("run with --expose-gc");
  gc();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

describe("10,000 requests at once in one session", () => {
  test("are all answered, each with its own answer, over no more connections than the limit", async () => {
    const before = openHandles().objects.size;
    await withOrigin(
      echo,
      function* (session, origin) {
        const paths = Array.from({ length: 10_000 }, (_, i) => `/${i}`);
        const texts = yield* gather(
          paths.map(function* (path): Coroutine<string> {
            return yield* (yield* session.get(path)).text();
          }),
        );
        expect(texts).toEqual(paths);
        expect(origin.requests).toHaveLength(10_000);
        expect(origin.mostConnections).toBeLessThanOrEqual(50);
        expect(session.connections).toBe(origin.sockets.size);
      },
      { session: { limit: 50, keepAliveTimeout: 60_000 } },
    );
    expect(openHandles().objects.size).toBe(before);
  });

  test("may be cancelled, one after another or all at once", async () => {
    await withOrigin(
      ({ url }, response) => (Number(url.slice(1)) % 3 === 0 ? undefined : response.end(url)),
      function* (session) {
        const tasks = Array.from({ length: 10_000 }, (_, i) =>
          createTask(within(session.get(`/${i}`), (response) => response.text())),
        );
        yield* sleep(0);
        for (const [i, task] of tasks.entries()) if (i % 3 === 0) task.cancel();
        let answered = 0;
        for (const [i, task] of tasks.entries()) {
          try {
            expect(yield* task).toBe(`/${i}`);
            answered++;
          } catch (error) {
            expect([i % 3, (error as Error).name]).toEqual([0, "CancelledError"]);
          }
        }
        expect(answered).toBe(6_666);
        const more: Task<string>[] = Array.from({ length: 1_000 }, () =>
          createTask(within(session.get("/0"), (response) => response.text())),
        );
        yield* sleep(5);
        for (const task of more) task.cancel();
        for (const task of more) {
          try {
            yield* task;
            throw new Error("it was answered");
          } catch (error) {
            expect(error).toMatchObject({ name: "CancelledError" });
          }
        }
        expect(session.connections).toBe(0);
        expect(yield* (yield* session.get("/1")).text()).toBe("/1");
      },
      { session: { limit: 50 } },
    );
  });
});

test("2,000 connections may be open at once", async () => {
  let held = 0;
  let release: () => void = () => {};
  const all = new Promise<void>((resolve) => (release = resolve));
  await withOrigin(
    async ({ url }, response) => {
      if (++held === 2_000) release();
      await all;
      response.end(url);
    },
    function* (session, origin) {
      const texts = yield* gather(
        Array.from({ length: 2_500 }, function* (_, i): Coroutine<string> {
          return yield* (yield* session.get(`/${i}`)).text();
        }),
      );
      expect(texts).toHaveLength(2_500);
      expect(origin.mostConnections).toBe(2_000);
    },
    { session: { limit: 2_000, keepAliveTimeout: 60_000 } },
  );
});

describe("a body of 200 MiB", () => {
  const chunk = Buffer.alloc(64 * 1024);
  const chunks = 3_200;

  test("that nobody reads is not taken from the server, and holds no memory", async () => {
    let sent = 0;
    await withRawServer(
      async (connection) => {
        await nextRequest(connection);
        await connection.send(`HTTP/1.1 200 OK\r\ncontent-length: ${chunks * chunk.length}\r\n\r\n`);
        while (sent < chunks && (await connection.send(chunk))) sent++;
      },
      function* (session) {
        const memory = collected();
        yield* within(session.get("/"), function* (response) {
          for (let before = -1; sent !== before; ) {
            before = sent;
            yield* sleep(50);
          }
          // what the buffers of two sockets take
          expect(sent * chunk.length).toBeLessThan(32 * MEBI);
          expect(collected() - memory).toBeLessThan(8 * MEBI);
          // and a reader that stops reading
          expect(yield* response.body.read(1_000)).toHaveLength(1_000);
          for (let before = -1; sent !== before; ) {
            before = sent;
            yield* sleep(50);
          }
          expect(sent * chunk.length).toBeLessThan(32 * MEBI);
          expect(collected() - memory).toBeLessThan(8 * MEBI);
        });
        expect(sent).toBeLessThan(chunks);
        expect(session.connections).toBe(0);
      },
    );
  });

  test("that is read piece by piece arrives as a whole, and holds no memory", async () => {
    await withOrigin(
      (_, response) => {
        let left = chunks;
        const write = (): void => {
          while (left-- > 0) if (!response.write(chunk)) return;
          response.end();
        };
        response.on("drain", write);
        write();
      },
      function* (session) {
        const memory = collected();
        let read = 0;
        let most = 0;
        yield* within(session.get("/"), (response) =>
          forEach(response.chunks(), ({ length }) => {
            read += length;
            if (read % (40 * MEBI) < length) most = Math.max(most, collected() - memory);
          }),
        );
        expect(read).toBe(chunks * chunk.length);
        expect(most).toBeLessThan(32 * MEBI);
        expect(session.connections).toBe(1);
      },
    );
  });
});

test("sessions that come and go leave nothing behind", async () => {
  await withRawServer(
    async (connection) => {
      await nextRequest(connection);
      await connection.send(answer("ok"));
    },
    function* (_, server) {
      for (let i = 0; i < 200; i++) {
        yield* within(new ClientSession(), function* (session) {
          expect(yield* (yield* session.get(server.origin)).text()).toBe("ok");
        });
      }
      while (server.open() > 0) yield* sleep(1);
    },
  );
});
