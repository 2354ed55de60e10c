import { EventLoop, type Future } from "corio";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Connection, type ConnectionPool, newPool } from "./pool-parts.js";

const unlimited = Number.POSITIVE_INFINITY;

function poolOf({ limit = unlimited, limitPerHost = unlimited, http2 = false } = {}) {
  const loop = new EventLoop();
  const options = { limit, limitPerHost, keepAliveTimeout: 4_000, maxHeaderSize: 16_384, http2 };
  const pool = newPool(loop, options);
  return { pool, host: (name: string) => pool.hostOf(new URL(`https://${name}.test/`)) };
}

/** As if its socket stood. */
function open(pool: ConnectionPool, connection: Connection, streams = 1): Connection {
  connection.capacity = streams;
  pool.opened(connection);
  return connection;
}

function taken(pool: ConnectionPool, host: ReturnType<ConnectionPool["hostOf"]>): Connection {
  const connection = pool.take(host);
  expect(connection).toBeDefined();
  return open(pool, connection as Connection);
}

function given(future: Future<Connection>): Connection | undefined {
  return future.done && !future.cancelled ? future.result() : undefined;
}

describe("the pool of a session", () => {
  it("hands out the connection that was used last", () => {
    const { pool, host } = poolOf();
    const [first, second] = [taken(pool, host("a")), taken(pool, host("a"))];
    pool.release(first);
    pool.release(second);
    expect(pool.take(host("a"))).toBe(second);
    expect(pool.take(host("a"))).toBe(first);
    expect(pool.open).toBe(2);
  });

  it("gives one host's connection to those who wait, in their order", () => {
    const { pool, host } = poolOf({ limit: 1 });
    const only = taken(pool, host("a"));
    const waiting = [pool.wait(host("a")), pool.wait(host("a"))] as const;
    expect(pool.take(host("a"))).toBeUndefined();
    pool.release(only);
    expect(given(waiting[0])).toBe(only);
    expect(waiting[1].done).toBe(false);
    pool.release(only);
    expect(given(waiting[1])).toBe(only);
  });

  it("closes the connection that has been idle longest when another host needs room", () => {
    const { pool, host } = poolOf({ limit: 2 });
    const [older, newer] = [taken(pool, host("a")), taken(pool, host("b"))];
    pool.release(older);
    pool.release(newer);
    expect(pool.take(host("c"))).toBeDefined();
    expect([older.dead, newer.dead]).toEqual([true, false]);
    expect(pool.open).toBe(2);
  });

  it("does not let a host with many requests keep another one waiting", () => {
    const { pool, host } = poolOf({ limit: 2 });
    const busy = [taken(pool, host("busy")), taken(pool, host("busy"))] as const;
    const more = Array.from({ length: 10 }, () => pool.wait(host("busy")));
    const other = pool.wait(host("other"));
    pool.release(busy[0]);
    expect(given(other)).toBeDefined();
    expect(more.some(({ done }) => done)).toBe(false);
    expect(pool.open).toBe(2);
  });

  it("does not close and open connections for hosts that have their share", () => {
    const { pool, host } = poolOf({ limit: 2 });
    const [a, b] = [taken(pool, host("a")), taken(pool, host("b"))];
    const waiting = { a: pool.wait(host("a")), b: pool.wait(host("b")) };
    pool.release(a);
    pool.release(b);
    expect(given(waiting.a)).toBe(a);
    expect(given(waiting.b)).toBe(b);
  });

  it("gives the next what a cancelled one does not take", () => {
    const { pool, host } = poolOf({ limit: 1 });
    const only = taken(pool, host("a"));
    const [first, second] = [pool.wait(host("a")), pool.wait(host("a"))] as const;
    first.cancel();
    pool.release(only);
    expect(given(second)).toBe(only);
  });

  it("opens another connection when one in use is of no more use", () => {
    const { pool, host } = poolOf({ limit: 1 });
    const broken = taken(pool, host("a"));
    const waiting = pool.wait(host("a"));
    pool.discard(broken);
    expect(waiting.done).toBe(false);
    pool.release(broken);
    const next = given(waiting);
    expect(next).toBeDefined();
    expect(next).not.toBe(broken);
    expect(pool.open).toBe(1);
  });

  it("lets requests to an HTTP/2 host share one connection", () => {
    const { pool, host } = poolOf({ http2: true });
    const first = pool.take(host("a")) as Connection;
    expect(pool.take(host("a"))).toBeUndefined();
    const waiting = [pool.wait(host("a")), pool.wait(host("a"))];
    open(pool, first, 100);
    expect(waiting.map(given)).toEqual([first, first]);
    expect(pool.take(host("a"))).toBe(first);
    expect([pool.open, first.inFlight]).toEqual([1, 4]);
  });

  it("opens several to a host that turns out to speak HTTP/1.1", () => {
    const { pool, host } = poolOf({ http2: true, limitPerHost: 2 });
    const first = pool.take(host("a")) as Connection;
    const waiting = [pool.wait(host("a")), pool.wait(host("a"))] as const;
    open(pool, first);
    expect(given(waiting[0])).toBeDefined();
    expect(given(waiting[0])).not.toBe(first);
    expect(waiting[1].done).toBe(false);
    pool.release(first);
    expect(given(waiting[1])).toBe(first);
  });

  it("lets all try at once when the first connection to an HTTP/2 host has failed", () => {
    const { pool, host } = poolOf({ http2: true });
    const first = pool.take(host("a")) as Connection;
    const waiting = [pool.wait(host("a")), pool.wait(host("a")), pool.wait(host("a"))];
    pool.failed(first);
    pool.discard(first);
    pool.release(first);
    expect(waiting.every(({ done }) => done)).toBe(true);
  });

  it("takes back a connection that nobody has begun to open", () => {
    const { pool, host } = poolOf({ http2: true, limit: 1 });
    const first = pool.take(host("a")) as Connection;
    const waiting = pool.wait(host("a"));
    pool.putBack(first);
    expect(given(waiting)).toBeDefined();
    expect(given(waiting)).not.toBe(first);
    expect(pool.open).toBe(1);
  });

  it("tells those who wait that it is closed", async () => {
    const { pool, host } = poolOf({ limit: 1 });
    taken(pool, host("a"));
    const waiting = pool.wait(host("b"));
    await pool.close();
    expect(() => waiting.result()).toThrow("the session is closed");
    expect(() => pool.take(host("a"))).toThrow("the session is closed");
  });

  it("keeps its limits, its order and nobody waiting without need, whatever happens", () => {
    const step = fc.record({
      what: fc.constantFrom("ask", "ask", "ask", "release", "release", "break", "cancel", "disconnect"),
      host: fc.integer({ min: 0, max: 3 }),
      which: fc.nat(),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { maxLength: 60 }),
        (limit, limitPerHost, steps) => {
          const { pool, host } = poolOf({ limit, limitPerHost });
          const inUse: Connection[] = [];
          const queues = new Map<string, Future<Connection>[]>();
          const collect = (): void => {
            for (const [name, queue] of queues) {
              const got = queue.filter(({ done }) => done);
              // those who got one came before those who did not
              const firstWaiting = queue.findIndex(({ done }) => !done);
              if (firstWaiting >= 0) expect(queue.slice(firstWaiting).some((place) => given(place))).toBe(false);
              for (const place of got) {
                const connection = given(place);
                if (connection !== undefined) inUse.push(open(pool, connection));
              }
              queues.set(
                name,
                queue.filter(({ done }) => !done),
              );
            }
          };
          for (const { what, host: number, which } of steps) {
            const name = `h${number}`;
            const connection = inUse.length > 0 ? inUse.splice(which % inUse.length, 1)[0] : undefined;
            if (what !== "release" && what !== "break" && connection) inUse.push(connection);
            if (what === "ask") {
              const free = pool.take(host(name));
              if (free !== undefined) inUse.push(open(pool, free));
              else queues.set(name, [...(queues.get(name) ?? []), pool.wait(host(name))]);
            } else if (what === "cancel") {
              queues.get(name)?.[which % (queues.get(name)?.length || 1)]?.cancel();
            } else if (what === "disconnect") {
              pool.discardIdle(host(name));
            } else if (connection !== undefined) {
              if (what === "break") pool.discard(connection);
              pool.release(connection);
            }
            collect();
            expect(pool.open).toBeLessThanOrEqual(limit);
            for (const [waitingName, queue] of queues) {
              if (queue.length === 0) continue;
              const { connections } = host(waitingName);
              // who waits does so for a limit, and nothing idle is in the way
              const atItsOwn = connections.size >= limitPerHost;
              expect(atItsOwn || (pool.open >= limit && pool.idle === 0)).toBe(true);
              expect([...connections].every(({ inFlight }) => inFlight > 0)).toBe(true);
            }
          }
          // all come to an end when what is in use is given back
          for (let left = 1000; left > 0 && inUse.length > 0; left--) {
            pool.release(inUse.shift() as Connection);
            collect();
          }
          expect([...queues.values()].flat()).toEqual([]);
        },
      ),
      { numRuns: 500 },
    );
  });
});
