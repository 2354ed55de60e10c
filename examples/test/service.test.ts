import { ClientSession } from "@corio/http";
import { attempt, type Coroutine, createTask, gather, sleep, type Task, until, within } from "corio";
import { beforeAll, describe, expect, it } from "vitest";
import { Database } from "../database/database.js";
import { type Address, withPostgres } from "../database/postgres.js";
import { missingPostgres } from "./missing-postgres.js";
import { realRun } from "./real-run.js";
import { StartedProgram } from "./started-program.js";

/** Why there is no PostgreSQL. */
let missing = "";

beforeAll(async () => {
  missing = await missingPostgres();
}, 600_000);

describe("service", () => {
  it("takes an order, shows it, and confirms it", async ({ skip }) => {
    skip(missing !== "", missing);
    await realRun(() =>
      withService(["--mail-time", "1"], function* (program, session) {
        const made = yield* within(session.post("/orders", { json: order(1) }), function* (response) {
          expect(response.headers.get("location")).toBe("/orders/1");
          return [response.status, yield* response.json()];
        });
        expect(made).toEqual([202, { id: 1, ...order(1), confirmed: false }]);
        expect(yield* until(program.line())).toBe(`mail to ${order(1).customer}: your order 1 is accepted: book 1`);
        const confirmed = [200, { id: 1, ...order(1), confirmed: true }];
        while ((yield* get(session, "/orders/1"))[1]["confirmed"] !== true) yield* sleep(10);
        expect(yield* get(session, "/orders/1")).toEqual(confirmed);

        expect(yield* get(session, "/orders/2")).toEqual([404, { error: "there is no such order" }]);
        for (const body of ['{ "customer": 1 }', "null", "no JSON"]) {
          expect(yield* within(session.post("/orders", { body }), (response) => response.status)).toBe(400);
        }
        const body = JSON.stringify({ ...order(2), item: "x".repeat(20_000) });
        expect(yield* within(session.post("/orders", { body }), (response) => response.status)).toBe(413);
      }),
    );
  });

  it("loses no answer and no accepted order when SIGTERM comes while requests are in flight and mails wait", async ({
    skip,
  }) => {
    skip(missing !== "", missing);
    await realRun(() =>
      withPostgres((address) =>
        withService(
          on(address, "--connections", "4", "--notice", "2000", "--handler-timeout", "60000"),
          function* (program, session) {
            const database = new Database(address, 2);
            yield* within(database, function* () {
              expect(yield* get(session, "/health")).toEqual([200, { status: "ok" }]);
              expect(yield* orderMany(session, 20)).toEqual(Array(20).fill(202));

              let asking!: Task<number[]>;
              yield* database.transaction(function* (connection) {
                yield* connection.query("lock table orders in exclusive mode");
                asking = createTask(orderMany(session, 10));
                // until the service's connections to the database are all in use, and none of them gets on
                while ((yield* waitingForALock(database)) < 4) yield* sleep(10);
                const noAnswer = "the database has not answered within 1000 ms";
                expect(yield* get(session, "/health")).toEqual([503, { status: noAnswer }]);

                program.kill("SIGTERM");
                while ((yield* get(session, "/health"))[1]["status"] === noAnswer) yield* sleep(10);
                expect(yield* get(session, "/health")).toEqual([503, { status: "the service is being stopped" }]);
                while ((yield* attempt(get(session, "/health"))).ok) yield* sleep(10);
              });
              expect(yield* asking).toEqual(Array(10).fill(202));

              const { code, output, stderr } = yield* until(program.ended());
              expect({ code, stderr }).toEqual({ code: 143, stderr: "" });
              expect(new Set(output.filter((line) => line.startsWith("mail to "))).size).toBe(30);
              expect(yield* orderCounts(database)).toEqual([{ all: 30, confirmed: 30 }]);
            });
          },
        ),
      ),
    );
  });

  it("confirms after its next start what it had accepted when it was killed", async ({ skip }) => {
    skip(missing !== "", missing);
    await realRun(() =>
      withPostgres(function* (address) {
        yield* withService(on(address, "--mail-time", "60000"), function* (program, session) {
          expect(yield* orderMany(session, 3)).toEqual([202, 202, 202]);
          program.kill("SIGKILL");
          yield* until(program.ended());
        });
        yield* withService(on(address, "--mail-time", "1"), function* (program) {
          program.kill("SIGTERM");
          expect((yield* until(program.ended())).code).toBe(143);
        });
        yield* within(new Database(address, 1), function* (database) {
          expect(yield* orderCounts(database)).toEqual([{ all: 3, confirmed: 3 }]);
        });
      }),
    );
  });
});

/** Runs `body` beside the service, in a process of its own, and a session for its requests. */
function* withService(
  args: string[],
  body: (program: StartedProgram, session: ClientSession) => Coroutine<void>,
): Coroutine<void> {
  yield* within(new StartedProgram("service.ts", "--port", "0", ...args), function* (program) {
    const [, port] = /^listening on http:\/\/.*:(\d+)$/.exec(yield* until(program.line())) ?? [];
    const options = { baseUrl: `http://127.0.0.1:${port}`, retry: { attempts: 1, stale: false } };
    yield* within(new ClientSession(options), (session) => body(program, session));
  });
}

/** The arguments for a service on that database. */
function on({ host, port, user, database }: Address, ...args: string[]): string[] {
  return ["--database", `postgres://${user}@localhost:${port}/${database}?host=${encodeURIComponent(host)}`, ...args];
}

function order(n: number): { customer: string; item: string } {
  return { customer: `customer-${n}@example.com`, item: `book ${n}` };
}

/** Sends so many orders at once; returns the statuses of the answers. */
function* orderMany(session: ClientSession, count: number): Coroutine<number[]> {
  const requests = Array.from({ length: count }, (_, n) => session.post("/orders", { json: order(n) }));
  return yield* gather(requests.map((request) => within(request, (response) => response.status)));
}

function* get(session: ClientSession, url: string): Coroutine<[status: number, body: Record<string, unknown>]> {
  const response = yield* session.get(url);
  return [response.status, yield* response.json<Record<string, unknown>>()];
}

/** How many queries wait for somebody else's lock. */
function* waitingForALock(database: Database): Coroutine<number> {
  const rows = yield* database.query("select 1 from pg_locks where not granted");
  return rows.length;
}

function orderCounts(database: Database): Coroutine<unknown[]> {
  return database.query(
    "select count(*)::int as all, (count(*) filter (where confirmed))::int as confirmed from orders",
  );
}
