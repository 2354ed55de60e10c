import {
  asyncGenerator,
  type Coroutine,
  createTask,
  Event,
  isCancelled,
  run,
  sleep,
  type Task,
  until,
  within,
} from "corio";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { expectClosed, openHandles } from "../../../node/test/support/open-handles.js";
import { type HttpServer, type RequestHandler, Response, serve } from "../../src/index.js";
import { connectRaw, headerOf, nextAnswer, type RawAnswer } from "../support/raw-client.js";
import type { RawConnection } from "../support/raw-connection.js";
import { ask, client, eventually, it, post, request, type Serving, serving, turn } from "./hostile-setting.js";

const certificates = useCertificates();

/** Sends a request over a connection of its own; what came of it, as a status or the way in which the connection ended. */
async function fate(serving: Serving, text = request("GET /")): Promise<string> {
  let connection: RawConnection;
  try {
    connection = await connectRaw(serving);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
  try {
    await connection.send(text);
    return String((await nextAnswer(connection)).status);
  } catch {
    return connection.ended ?? "no answer";
  } finally {
    await connection.close();
  }
}

function tally(fates: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const it of fates) counts[it] = (counts[it] ?? 0) + 1;
  return counts;
}

const ok: RequestHandler = () => new Response("ok");

describe("a shutdown answers", () => {
  it("all that were accepted by the system and not by the server", function* () {
    yield* within(serving(ok), function* (serving) {
      const fates = Array.from({ length: 400 }, () => fate(serving));
      yield* turn(2);
      yield* serving.server.shutdown();
      expect(tally(yield* until(Promise.all(fates)))).toEqual({ 200: 400 });
    });
  });

  it("all that were accepted by the system, over TLS as far as their handshakes have come", function* () {
    const options = { tls: { ...certificates.server }, ca: certificates.ca };
    yield* within(serving(ok, options), function* (serving) {
      const connections: RawConnection[] = [];
      for (let i = 0; i < 20; i++) connections.push(yield* until(connectRaw(serving)));
      for (const connection of connections) void connection.send(request("GET /"));
      yield* serving.server.shutdown();
      for (const connection of connections) {
        expect((yield* until(nextAnswer(connection))).status).toBe(200);
        yield* until(connection.close());
      }
    });
  });

  it("all that have just been sent on connections that were idle", function* () {
    yield* within(serving(ok), function* (serving) {
      const connections: RawConnection[] = [];
      for (let i = 0; i < 50; i++) {
        const connection = yield* until(connectRaw(serving));
        expect((yield* ask(connection, request("GET /"))).status).toBe(200);
        connections.push(connection);
      }
      // in the kernel, and not seen by the server
      for (const connection of connections) void connection.send(request("GET /again"));
      yield* serving.server.shutdown();
      for (const connection of connections) {
        expect((yield* until(nextAnswer(connection))).status).toBe(200);
        expect(yield* until(connection.over())).toBe("end");
        yield* until(connection.close());
      }
    });
  });

  it("as the last of their connections, from its beginning", function* () {
    yield* within(serving(ok), (serving) =>
      within(client(serving), function* (connection) {
        yield* ask(connection, request("GET /"));
        void connection.send(request("GET /again"));
        yield* serving.server.shutdown();
        expect(headerOf(yield* until(nextAnswer(connection)), "connection")).toBe("close");
      }),
    );
  });

  it("all that a client has sent ahead", function* () {
    const released = new Event();
    const handler: RequestHandler = function* (incoming) {
      yield* released.wait();
      return new Response(new URL(incoming.url).pathname);
    };
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send([1, 2, 3].map((i) => request(`GET /${i}`)).join("")));
        yield* eventually(() => serving.server.requests === 3);
        const shutdown = createTask(serving.server.shutdown());
        yield* turn(10);
        released.set();
        const answers: RawAnswer[] = [];
        for (let i = 0; i < 3; i++) answers.push(yield* until(nextAnswer(connection)));
        expect(answers.map(({ body }) => body)).toEqual(["/1", "/2", "/3"]);
        expect(headerOf(answers[2] as RawAnswer, "connection")).toBe("close");
        expect(yield* until(connection.over())).toBe("end");
        yield* shutdown;
      }),
    );
  });

  it("what is large, to a client that takes it slowly", function* () {
    const length = 10_000_000;
    yield* within(
      serving(() => new Response("x".repeat(length))),
      (serving) =>
        within(client(serving), function* (connection) {
          connection.pause();
          yield* until(connection.send(request("GET /")));
          yield* eventually(() => serving.server.requests === 1);
          const shutdown = createTask(serving.server.shutdown());
          yield* sleep(20);
          expect(shutdown.done).toBe(false);
          connection.resume();
          yield* until(connection.over());
          expect(connection.receivedLength).toBeGreaterThan(length);
          yield* shutdown;
        }),
    );
  });

  it("a request whose body is still on its way", function* () {
    const handler: RequestHandler = function* (incoming) {
      return new Response(yield* until(incoming.text()));
    };
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(request("POST /", ["Content-Length: 10"], "12345")));
        yield* eventually(() => serving.server.requests === 1);
        const shutdown = createTask(serving.server.shutdown());
        yield* turn(10);
        yield* until(connection.send("67890"));
        expect((yield* until(nextAnswer(connection))).body).toBe("1234567890");
        yield* shutdown;
      }),
    );
  });

  it("as many as handlers have finished, under load", function* () {
    let finished = 0;
    const handler: RequestHandler = function* () {
      yield* sleep(3);
      finished++;
      return new Response("ok");
    };
    yield* within(serving(handler), function* (serving) {
      let answered = 0;
      let stop = false;
      const ends: string[] = [];
      const busy = Array.from({ length: 40 }, async () => {
        while (!stop) {
          let connection: RawConnection;
          try {
            connection = await connectRaw(serving);
          } catch {
            // nobody listens any more
            return;
          }
          try {
            for (;;) {
              if (!(await connection.send(request("GET /")))) break;
              const answer = await nextAnswer(connection);
              if (answer.status === 200) answered++;
              if (headerOf(answer, "connection") === "close") break;
            }
          } catch {
            ends.push(connection.ended ?? "?");
          } finally {
            await connection.close();
          }
        }
      });
      yield* eventually(() => answered > 400);
      yield* serving.server.shutdown();
      stop = true;
      yield* until(Promise.all(busy));
      // one that sends into the end of an idle connection may find it closed: it was promised nothing
      expect(answered).toBe(finished);
    });
  });
});

describe("a shutdown", () => {
  it("closes connections that are idle or have sent nothing, at once", function* () {
    yield* within(serving(ok), function* (serving) {
      yield* within(client(serving), function* (idle) {
        yield* ask(idle, request("GET /"));
        yield* within(client(serving), function* (silent) {
          yield* eventually(() => serving.server.connections === 2);
          yield* serving.server.shutdown();
          expect(yield* until(idle.over())).toBe("end");
          expect(yield* until(silent.over())).toBe("end");
        });
      });
    });
  });

  it("refuses who connects afterwards", function* () {
    yield* within(serving(ok), function* (serving) {
      const { port } = serving;
      yield* serving.server.shutdown();
      expect([serving.server.isServing, serving.server.connections]).toEqual([false, 0]);
      expect(yield* until(connectRaw({ port }).catch((error: NodeJS.ErrnoException) => error.code))).toBe(
        "ECONNREFUSED",
      );
    });
  });

  it("cuts off streams that are longer than the time allows, and their sources are closed", function* () {
    const closed: string[] = [];
    const endless = asyncGenerator(function* (name: string) {
      try {
        for (;;) {
          yield "x";
          yield* sleep(1);
        }
      } finally {
        yield* sleep(5);
        closed.push(name);
      }
    });
    yield* within(
      serving((incoming) => new Response(endless(new URL(incoming.url).pathname))),
      function* (serving) {
        const connections: RawConnection[] = [];
        for (const path of ["/a", "/b", "/c"]) {
          const connection = yield* until(connectRaw(serving));
          yield* until(connection.send(request(`GET ${path}`)));
          yield* eventually(() => connection.receivedLength > 0);
          connections.push(connection);
        }
        yield* serving.server.shutdown(20);
        expect(closed.toSorted()).toEqual(["/a", "/b", "/c"]);
        for (const connection of connections) {
          yield* until(connection.over());
          expect(connection.received.endsWith("0\r\n\r\n")).toBe(false);
          yield* until(connection.close());
        }
      },
    );
  });

  it("answers 503 to what it cancels, if nothing was sent, and waits for the cleanup", function* () {
    const ends: unknown[] = [];
    const handler: RequestHandler = function* () {
      try {
        yield* sleep(60_000);
      } catch (error) {
        ends.push(isCancelled(error) ? (error.reason as { code: string }).code : error);
        throw error;
      } finally {
        yield* sleep(20);
        ends.push("cleaned up");
      }
      return new Response("never");
    };
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(request("GET /")));
        yield* eventually(() => serving.server.requests === 1);
        yield* serving.server.shutdown(0);
        expect(ends).toEqual(["ERR_CORIO_SHUTDOWN", "cleaned up"]);
        const answer = yield* until(nextAnswer(connection));
        expect([answer.status, headerOf(answer, "connection")]).toEqual([503, "close"]);
      }),
    );
  });

  it("answers 503 to each that was sent ahead and is cancelled", function* () {
    const handler: RequestHandler = function* () {
      yield* sleep(60_000);
      return new Response("never");
    };
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(request("GET /1") + request("GET /2")));
        yield* eventually(() => serving.server.requests === 2);
        yield* serving.server.shutdown(0);
        const { status } = yield* until(nextAnswer(connection));
        expect(status).toBe(503);
        yield* until(connection.over());
      }),
    );
  });

  it("answers what a handler says that is cancelled and goes on", function* () {
    const handler: RequestHandler = function* () {
      try {
        yield* sleep(60_000);
      } catch {
        // whatever it was
      }
      return new Response("all the same");
    };
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(request("GET /")));
        yield* eventually(() => serving.server.requests === 1);
        yield* serving.server.shutdown(0);
        expect((yield* until(nextAnswer(connection))).body).toBe("all the same");
      }),
    );
  });

  it("does not wait for a client that does not take what was cut off", function* () {
    yield* within(
      serving(() => new Response("x".repeat(50_000_000))),
      (serving) =>
        within(client(serving), function* (connection) {
          connection.pause();
          yield* until(connection.send(request("GET /")));
          yield* eventually(() => serving.server.requests === 1);
          yield* serving.server.shutdown(10);
          expect(serving.server.connections).toBe(0);
        }),
    );
  });

  it("does not wait for a client in the middle of its headers beyond the time", function* () {
    yield* within(serving(ok), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send("GET / HTTP/1.1\r\n"));
        yield* eventually(() => serving.server.connections === 1);
        yield* serving.server.shutdown(20);
        yield* until(connection.over());
      }),
    );
  });

  it("does not wait for a client in the handshake of TLS", function* () {
    const tls = { ...certificates.server };
    yield* within(serving(ok, { tls }), (serving) =>
      within(client({ port: serving.port }), function* (connection) {
        yield* until(connection.send("\x16\x03\x01"));
        yield* eventually(() => serving.server.connections === 1);
        yield* serving.server.shutdown();
        yield* until(connection.over());
      }),
    );
  });

  it("can be asked for several times at once", function* () {
    yield* within(serving(ok), function* (serving) {
      yield* within(client(serving), (connection) => ask(connection, request("GET /")));
      const { server } = serving;
      const ways = [server.shutdown(), server.shutdown(5), server.waitClosed(), server.serveForever()];
      const tasks = ways.map((way) => createTask(way));
      server.close();
      for (const task of tasks) yield* task;
      yield* server.shutdown();
      yield* server.waitClosed();
      yield* server.serveForever();
    });
  });

  it("with a shorter time ends one that waits longer", function* () {
    const handler: RequestHandler = function* () {
      yield* sleep(60_000);
      return new Response("never");
    };
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(request("GET /")));
        yield* eventually(() => serving.server.requests === 1);
        const patient = createTask(serving.server.shutdown(null));
        yield* turn(10);
        yield* serving.server.shutdown(5);
        yield* patient;
        expect((yield* until(nextAnswer(connection))).status).toBe(503);
      }),
    );
  });

  it.each([[-1], [Number.NaN], ["5"], [{}]] as [unknown][])("of %s milliseconds is misuse", function* (timeout) {
    yield* within(serving(ok), function* (serving) {
      expect(() => serving.server.shutdown(timeout as number)).toThrow(RangeError);
      expect(serving.server.isServing).toBe(true);
      yield* sleep(0);
    });
  });
});

describe("close()", () => {
  it("lets what is in flight go on as the last of its connection", function* () {
    const released = new Event();
    const handler: RequestHandler = function* () {
      yield* released.wait();
      return new Response("ok");
    };
    yield* within(serving(handler), (serving) =>
      within(client(serving), function* (connection) {
        yield* until(connection.send(request("GET /")));
        yield* eventually(() => serving.server.requests === 1);
        serving.server.close();
        serving.server.close();
        expect(serving.server.isServing).toBe(false);
        yield* turn(20);
        released.set();
        const answer = yield* until(nextAnswer(connection));
        expect([answer.body, headerOf(answer, "connection")]).toEqual(["ok", "close"]);
        yield* serving.server.waitClosed();
      }),
    );
  });

  it("wakes who serves for ever", function* () {
    yield* within(serving(ok), function* (serving) {
      const forever = createTask(serving.server.serveForever());
      yield* turn(2);
      expect(() => createTask(serving.server.serveForever(), { eagerStart: true }).result()).toThrow(/already/);
      serving.server.close();
      yield* forever;
    });
  });
});

function* servingForever(server: HttpServer): Coroutine<void> {
  yield* within(server, () => server.serveForever());
}

describe("a server in a block", () => {
  const slow: RequestHandler = function* () {
    yield* sleep(60);
    return new Response("ok");
  };

  /** Leaves the block of a server with a request in flight, and gives the status of its answer. */
  function* left(
    how: (task: Task<void>, server: HttpServer) => void,
    handler = slow,
    body = servingForever,
  ): Coroutine<{ status: string; error: unknown }> {
    const server = yield* serve(handler, { host: "127.0.0.1", port: 0 });
    const task = createTask(body(server));
    const asked = fate({ port: server.port } as Serving);
    yield* eventually(() => server.requests === 1);
    how(task, server);
    let error: unknown;
    try {
      yield* task;
    } catch (thrown) {
      error = thrown;
    }
    expect([server.requests, server.connections, server.isServing]).toEqual([0, 0, false]);
    return { status: yield* until(asked), error };
  }

  it("is shut down gracefully when it is cancelled", function* () {
    const { status, error } = yield* left((task) => task.cancel("enough"));
    expect([status, isCancelled(error) && error.reason]).toEqual(["200", "enough"]);
  });

  it("is shut down gracefully when it is closed", function* () {
    expect(yield* left((_task, server) => server.close())).toEqual({ status: "200", error: undefined });
  });

  it("is shut down gracefully when the block fails", function* () {
    const failed = new Error("the block");
    const event = new Event();
    const { status, error } = yield* left(
      () => event.set(),
      slow,
      (server) =>
        within(server, function* () {
          yield* event.wait();
          throw failed;
        }),
    );
    expect([status, error]).toEqual(["200", failed]);
  });

  it("cancels its requests at once when it is cancelled a second time", function* () {
    const cleaned: string[] = [];
    const stuck: RequestHandler = function* () {
      try {
        yield* sleep(60_000);
      } finally {
        yield* sleep(5);
        cleaned.push("cleaned up");
      }
      return new Response("never");
    };
    const { status, error } = yield* left((task) => {
      task.cancel();
      setImmediate(() => setImmediate(() => setTimeout(() => task.cancel(), 20)));
    }, stuck);
    expect([status, isCancelled(error), cleaned]).toEqual(["503", true, ["cleaned up"]]);
  });

  it("closes connections under what still cleans up when it is cancelled a third time", function* () {
    const released = new Event();
    const cleaned: string[] = [];
    const stubborn: RequestHandler = function* () {
      try {
        yield* sleep(60_000);
      } finally {
        yield* released.wait();
        cleaned.push("cleaned up");
      }
      return new Response("never");
    };
    const server = yield* serve(stubborn, { host: "127.0.0.1", port: 0 });
    const task = createTask(servingForever(server));
    const asked = fate({ port: server.port } as Serving);
    yield* eventually(() => server.requests === 1);
    for (let i = 0; i < 3; i++) {
      task.cancel();
      yield* sleep(20);
    }
    // a block that is left by a cancellation shuts down once more: who wants that ended, too, cancels once more
    task.cancel();
    yield* sleep(20);
    released.set();
    try {
      yield* task;
    } catch (error) {
      if (!isCancelled(error)) throw error;
    }
    expect(["ECONNRESET", "end"]).toContain(yield* until(asked));
    yield* server.waitClosed();
    expect([cleaned, server.requests, server.connections]).toEqual([["cleaned up"], 0, 0]);
  });
});

describe("two servers on one loop", () => {
  it("know nothing of each other", function* () {
    yield* within(
      serving(() => new Response("one"), { concurrency: 1 }),
      function* (one) {
        yield* within(
          serving(() => new Response("two")),
          function* (two) {
            yield* within(client(one), function* (connection) {
              expect((yield* ask(connection, request("GET /"))).body).toBe("one");
            });
            yield* within(client(two), function* (connection) {
              expect((yield* ask(connection, request("GET /"))).body).toBe("two");
              expect([one.server.connections, two.server.connections]).toEqual([0, 1]);
            });
          },
        );
        yield* within(client(one), function* (connection) {
          expect((yield* ask(connection, request("GET /"))).body).toBe("one");
        });
      },
    );
  });

  it("one can answer by what the other says, and both shut down", function* () {
    yield* within(
      serving(function* () {
        yield* sleep(10);
        return new Response("from behind");
      }),
      function* (behind) {
        const handler: RequestHandler = function* () {
          return new Response(yield* until(fetch(behind.server.url).then((answer) => answer.text())));
        };
        yield* within(serving(handler), (front) =>
          within(client(front), function* (connection) {
            yield* until(connection.send(request("GET /")));
            yield* eventually(() => front.server.requests === 1);
            const shutdown = createTask(front.server.shutdown());
            expect((yield* until(nextAnswer(connection))).body).toBe("from behind");
            yield* shutdown;
          }),
        );
      },
    );
  });

  it("cannot share a port, and the first goes on", function* () {
    yield* within(serving(ok), function* (serving) {
      const second = createTask(serve(ok, { host: "127.0.0.1", port: serving.port }));
      let error: unknown;
      try {
        yield* second;
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({ code: "EADDRINUSE" });
      yield* within(client(serving), function* (connection) {
        expect((yield* ask(connection, request("GET /"))).body).toBe("ok");
      });
    });
  });
});

describe("a loop that ends while it serves", () => {
  test("closes all that the server has, and cancels its requests", async () => {
    const before = openHandles();
    const ends: string[] = [];
    let asked: Promise<string> | undefined;
    let idle: RawConnection | undefined;
    await run(function* () {
      const server = yield* serve(
        function* (incoming) {
          if (incoming.url.endsWith("/idle")) return new Response("ok");
          try {
            yield* sleep(60_000);
          } finally {
            ends.push("finally");
          }
          return new Response("never");
        },
        { host: "127.0.0.1", port: 0 },
      );
      const target = { port: server.port } as Serving;
      idle = yield* until(connectRaw(target));
      yield* ask(idle, request("GET /idle"));
      asked = fate(target);
      yield* eventually(() => server.requests === 1);
    });
    expect(ends).toEqual(["finally"]);
    expect(["503", "ECONNRESET", "end"]).toContain(await asked);
    await idle?.over();
    await idle?.close();
    await expectClosed(before);
  });

  test("leaves the server without use: it is not served any more", async () => {
    const server = await run(function* () {
      return yield* serve(ok, { host: "127.0.0.1", port: 0 });
    });
    const { port } = server;
    expect(server.isServing).toBe(false);
    await expect(connectRaw({ port })).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});

describe("connections that were used for long", () => {
  it("leave nothing with the server: it has no request, and no connection, after each of many shutdowns", function* () {
    for (let round = 0; round < 20; round++) {
      yield* within(serving(ok), function* (serving) {
        yield* within(client(serving), function* (connection) {
          for (let i = 0; i < round; i++) yield* ask(connection, post("/", "x".repeat(i)));
        });
      });
    }
  });
});
