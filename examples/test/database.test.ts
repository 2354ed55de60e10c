import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Coroutine, createTask, Event, Future, sleep, wait, within } from "corio";
import { beforeAll, describe, expect, it } from "vitest";
import { Database } from "../database/database.js";
import { withPostgres } from "../database/postgres.js";
import { main } from "../database.js";
import { missingPostgres } from "./missing-postgres.js";
import { realRun } from "./real-run.js";

/** Why there is no PostgreSQL. */
let missing = "";

beforeAll(async () => {
  missing = await missingPostgres();
}, 600_000);

describe("database", () => {
  it("has all rows that were written, none of a transaction that failed or was cancelled, and its connections free", async ({
    skip,
  }) => {
    skip(missing !== "", missing);
    const { output, reports } = await realRun(main);
    expect(output).toEqual([
      expect.stringMatching(/^PostgreSQL listens in /),
      "100 writers read what they wrote, 1000 rows in all",
      "connections: 8",
      'failed: duplicate key value violates unique constraint "rows_pkey"',
      "rows of the failed transaction: 0",
      "rows of the cancelled transaction: 0",
      "queries that still sleep: 0",
      "all connections are free: true",
      "PostgreSQL has stopped",
    ]);
    expect(reports).toEqual([]);
  });

  it("frees a connection whenever its query is cancelled", async ({ skip }) => {
    skip(missing !== "", missing);
    const { reports } = await realRun(() =>
      withPostgres(function* (address) {
        yield* within(new Database(address, 2), function* (database) {
          for (let pause = 0; pause < 10; pause++) {
            const tasks = [1, 2, 3].map(() => createTask(database.query("select pg_sleep(3600)")));
            yield* sleep(pause);
            for (const task of tasks) task.cancel();
            yield* wait(tasks);
            expect(tasks.map((task) => task.cancelled)).toEqual([true, true, true]);
          }
          expect(yield* activeQueries(database)).toEqual([]);
          expect(database.connections).toEqual({ all: 2, free: 2 });
        });
      }),
    );
    expect(reports).toEqual([]);
  });

  it("cancels a query that the server has not begun with", async ({ skip }) => {
    skip(missing !== "", missing);
    await realRun(() =>
      withPostgres(function* (address) {
        yield* within(new Database(address, 1), function* (database) {
          const [backend] = yield* database.query<{ pid: number }>("select pg_backend_pid() as pid");
          process.kill(backend!.pid, "SIGSTOP");
          const task = createTask(database.query("select pg_sleep(3600)"));
          yield* sleep(50);
          task.cancel();
          yield* sleep(50);
          // now it gets the first request to cancel, and then the query
          process.kill(backend!.pid, "SIGCONT");
          yield* wait([task]);
          expect(task.cancelled).toBe(true);
          expect(yield* activeQueries(database)).toEqual([]);
        });
      }),
    );
  });

  it("stops the server and removes its data when it is cancelled", async ({ skip }) => {
    skip(missing !== "", missing);
    await realRun(function* () {
      const started = new Future<{ folder: string; pid: number }>();
      const task = createTask(
        withPostgres(function* ({ host: folder }) {
          const [pid] = readFileSync(join(folder, "data/postmaster.pid"), "utf8").split("\n");
          started.setResult({ folder, pid: Number(pid) });
          yield* new Event().wait();
        }),
      );
      const { folder, pid } = yield* started;
      expect(isRunning(pid)).toBe(true);
      task.cancel();
      yield* wait([task]);
      expect(task.cancelled).toBe(true);
      expect(isRunning(pid)).toBe(false);
      expect(existsSync(folder)).toBe(false);
    });
  });
});

function activeQueries(database: Database): Coroutine<unknown[]> {
  return database.query(
    "select query from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and backend_type = 'client backend'",
  );
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
