import { coroutineTest, LeakError } from "@corio/testing";
import { startServer, openConnection } from "@corio/node";
import { type Coroutine, getRunningLoop, sleep, until, within } from "corio";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { unwatchFile, watch, watchFile } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { afterAll, describe, expect, it } from "vitest";
import { failureOf } from "../runners/failure-of.js";

const folder = mkdtempSync(join(tmpdir(), "corio-handles-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function leaksOf(body: () => Coroutine<unknown>, options: object = {}): Promise<readonly string[]> {
  const error = await failureOf(coroutineTest(body, options)());
  expect(error).toBeInstanceOf(LeakError);
  return (error as LeakError).leaks;
}

function* listening(): Coroutine<Server> {
  const server = createServer().listen(0, "127.0.0.1");
  yield* until(once(server, "listening"));
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

describe.each(["virtual", "real"] as const)("In %s time a test fails for", (time) => {
  it.each<[what: RegExp, open: () => Coroutine<unknown>]>([
    [
      /a TCP server on \[::\]:\d+/,
      function* () {
        createServer().listen(0, "::");
      },
    ],
    [
      /a UDP socket on 0\.0\.0\.0:\d+/,
      function* () {
        const socket = createSocket("udp4");
        socket.bind(0, "0.0.0.0");
        yield* until(once(socket, "listening"));
      },
    ],
    [
      /a server on a Unix socket/,
      function* () {
        createServer().listen(join(folder, `${time}.sock`));
      },
    ],
    [
      /a timer of setTimeout \(77000 ms\)/,
      function* () {
        setTimeout(() => {}, 77_000);
      },
    ],
    [
      /a timer of setInterval \(77 ms\)/,
      function* () {
        setInterval(() => {}, 77);
      },
    ],
    [
      /a child process \(pid \d+\)/,
      function* () {
        spawn(process.execPath, ["-e", "setTimeout(() => {}, 100_000)"], { stdio: "ignore" });
      },
    ],
    [
      /a worker thread/,
      function* () {
        const worker = new Worker("setInterval(() => {}, 1_000)", { eval: true });
        yield* until(once(worker, "online"));
      },
    ],
    [
      /a message port/,
      function* () {
        new MessageChannel().port1.on("message", () => {});
      },
    ],
    [
      /a file watcher/,
      function* () {
        watch(folder);
      },
    ],
    [
      /a file watcher/,
      function* () {
        watchFile(join(folder, "file"), () => {});
      },
    ],
  ])("%s, and says where it was opened", async (what, open) => {
    const leaks = await leaksOf(open, { time });
    expect(leaks).toEqual([
      expect.stringMatching(new RegExp(`^${what.source} is still open, opened at .*open-handles\\.test\\.ts:\\d+`)),
    ]);
    unwatchFile(join(folder, "file"));
  });

  it("a file, wherever that was opened", async () => {
    let file: FileHandle | undefined;
    const leaks = await leaksOf(
      function* () {
        file = yield* until(open(process.execPath));
      },
      { time },
    );
    expect(leaks).toEqual([expect.stringMatching(/^a file is still open/)]);
    await file?.close();
  });

  it("both ends of a connection, and its server", async () => {
    const leaks = await leaksOf(
      function* () {
        const server = yield* listening();
        const accepted = once(server, "connection");
        connect(portOf(server), "127.0.0.1");
        yield* until(accepted);
      },
      { time },
    );
    expect(leaks).toHaveLength(3);
    expect(leaks).toContainEqual(
      expect.stringMatching(/^a TCP server on 127\.0\.0\.1:\d+ is still open, opened at listening /),
    );
    expect(leaks).toContainEqual(
      expect.stringMatching(/^a TCP connection to 127\.0\.0\.1:\d+ is still open, opened at .*open-handles\.test\.ts/),
    );
  });

  it("a server of @corio/node", async () => {
    const leaks = await leaksOf(
      function* () {
        yield* startServer(function* () {}, "127.0.0.1", 0);
      },
      { time },
    );
    expect(leaks).toEqual([expect.stringMatching(/^a TCP server on 127\.0\.0\.1:\d+ is still open/)]);
  });
});

describe("A test passes", () => {
  it.each(["virtual", "real"] as const)("that closes what it opens, in %s time", async (time) => {
    await coroutineTest(
      function* () {
        const server = yield* listening();
        const accepted = once(server, "connection");
        const client = connect(portOf(server), "127.0.0.1");
        const [socket] = yield* until(accepted);
        clearTimeout(setTimeout(() => {}, 1_000));
        clearInterval(setInterval(() => {}, 1_000));
        const child = spawn(process.execPath, ["-e", "0"]);
        yield* until(once(child, "close"));
        const file = yield* until(open(process.execPath));
        yield* until(file.close());
        client.destroy();
        socket.destroy();
        // closing is asynchronous: nobody need wait for it
        server.close();
      },
      { time },
    )();
  });

  it("that closes streams of @corio/node without waiting for their end", async () => {
    await coroutineTest(function* () {
      const server = yield* startServer(
        function* (reader, writer) {
          writer.write(yield* reader.readline());
          writer.close();
        },
        "127.0.0.1",
        0,
      );
      yield* within(server, function* () {
        const { port } = (server.sockets[0] as Server).address() as AddressInfo;
        const [reader, writer] = yield* openConnection("127.0.0.1", port);
        writer.write("text\n");
        expect(String(yield* reader.readline())).toBe("text\n");
        writer.close();
      });
    })();
  });

  it("that leaves what does not hold the process", async () => {
    await coroutineTest(function* () {
      setInterval(() => {}, 1_000).unref();
      const server = createServer().listen(0);
      server.unref();
      yield* sleep(1);
    })();
  });

  it("that sleeps in real time, whose timers are the loop's", async () => {
    await coroutineTest(
      function* () {
        yield* sleep(5);
        getRunningLoop()
          .callLater(1_000, () => {})
          .cancel();
      },
      { time: "real" },
    )();
  });

  it("that leaves handles if the option `leaks` allows it", async () => {
    let server: Server | undefined;
    await coroutineTest(
      function* () {
        server = yield* listening();
      },
      { leaks: { handles: false } },
    )();
    expect(server?.listening).toBe(true);
    server?.close();
  });

  it("whatever its runner has open, and opens while it does not run", async () => {
    const before = setInterval(() => {}, 1_000);
    await coroutineTest(function* () {
      yield* sleep(1);
    })();
    clearInterval(before);
    const between = setInterval(() => {}, 1_000);
    await coroutineTest(function* () {})();
    clearInterval(between);
  });

  it("whose connections an older server has accepted, and not closed yet", async () => {
    const sockets: Socket[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => void sockets.push(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    await coroutineTest(function* () {
      const client = connect(portOf(server), "127.0.0.1");
      yield* until(once(client, "connect"));
      client.destroy();
    })();
    server.close();
    for (const socket of sockets) socket.destroy();
  });

  it("if others run at the same time: nobody knows whose handles they are", async () => {
    const servers: Server[] = [];
    const leaving = coroutineTest(
      function* () {
        servers.push(yield* listening());
        yield* sleep(20);
      },
      { time: "real" },
    );
    await Promise.all([leaving(), leaving()]);
    for (const server of servers) server.close();
    await expect(leaving()).rejects.toThrow(LeakError);
  });
});

describe("What a test has left open", () => {
  it("is closed, so that the next test may listen there", async () => {
    let port = 0;
    await leaksOf(function* () {
      port = portOf(yield* listening());
    });
    await coroutineTest(function* () {
      const server = createServer().listen(port, "127.0.0.1");
      yield* until(once(server, "listening"));
      server.close();
    })();
  });

  it("does nothing any more", async () => {
    const log: string[] = [];
    let child: ReturnType<typeof spawn> | undefined;
    let worker: Worker | undefined;
    await leaksOf(function* () {
      setInterval(() => log.push("tick"), 1);
      child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1_000)"], { stdio: "ignore" });
      worker = new Worker("setInterval(() => {}, 1_000)", { eval: true });
    });
    const ticks = log.length;
    await Promise.all([once(child as never, "exit"), once(worker as never, "exit")]);
    expect(log).toHaveLength(ticks);
  });

  it("is told beside the error of a test that fails", async () => {
    const run = coroutineTest(function* () {
      yield* listening();
      throw new Error("the body's own");
    });
    expect((await failureOf(run())).message).toMatch(/^the body's own\n\nthe test left behind:\n *a TCP server on /);
  });
});
