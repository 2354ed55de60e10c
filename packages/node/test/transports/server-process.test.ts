import { pathToFileURL } from "node:url";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ProgramProcess } from "../program/program-process.js";

const built = pathToFileURL(fileURLToPath(new URL("../../dist/index.js", import.meta.url))).href;
const LOADED = `const { createServer, openConnection, startServer } = await import(${JSON.stringify(built)});
const echo = function* (reader, writer) { for (;;) { const line = yield* reader.readline(); if (line.length === 0) return; writer.write(line); } };
const portOf = (server) => server.sockets[0].address().port;
`;

describe("a process", () => {
  test.each<[string, string]>([
    [
      "a server and connections",
      `await run(function* () {
        const server = yield* startServer(echo, "127.0.0.1", 0);
        yield* startServer(echo, "127.0.0.1", 0);
        const [reader, writer] = yield* openConnection("127.0.0.1", portOf(server));
        writer.write("hello\\n");
        yield* reader.readline();
      });`,
    ],
    [
      "a server that was closed, and its connection",
      `await run(function* () {
        const server = yield* createServer(() => ({}), "127.0.0.1", 0);
        yield* openConnection("127.0.0.1", portOf(server));
        while (server.connections === 0) yield* sleep(0);
        server.close();
      });`,
    ],
    [
      "connections that were told to close, and whose bytes nobody reads",
      `await run(function* () {
        const server = yield* createServer(() => ({ connectionMade: (transport) => transport.pauseReading() }), "127.0.0.1", 0);
        const [, writer] = yield* openConnection("127.0.0.1", portOf(server));
        writer.write(new Uint8Array(30_000_000));
        writer.close();
      });`,
    ],
    [
      "tasks that read, write and wait for connections",
      `await run(function* () {
        const server = yield* startServer(echo, "127.0.0.1", 0);
        createTask(server.serveForever());
        const [reader, writer] = yield* openConnection("127.0.0.1", portOf(server));
        createTask(reader.readline());
        createTask(function* () { yield* writer.waitClosed(); });
        createTask(server.waitClosed());
        yield* sleep(1);
      });`,
    ],
    [
      "a loop that was closed by hand in the midst of connecting",
      `const loop = new corio.EventLoop();
      await loop.runUntilComplete((function* () {
        const server = yield* startServer(echo, "127.0.0.1", 0);
        createTask(openConnection("127.0.0.1", portOf(server)));
        yield* sleep(1);
      })());
      loop.close();`,
    ],
  ])("that leaves %s open ends when its run has ended", async (_name, source) => {
    const program = new ProgramProcess(`${LOADED}${source}\nconsole.log("run has ended");`);
    expect(await program.ended).toEqual({ code: 0, signal: null, stdout: "run has ended\n", stderr: "" });
  });

  test("that serves for ever does not end, until it is told to", async () => {
    const program = new ProgramProcess(`${LOADED}
      const abort = new AbortController();
      process.stdin.on("data", () => { abort.abort(new Error("enough")); process.stdin.destroy(); });
      try {
        await run(function* () {
          const server = yield* startServer(echo, "127.0.0.1", 0);
          console.log("serves");
          yield* corio.within(server, () => server.serveForever());
        }, { signal: abort.signal });
      } catch (error) {
        console.log(error.message);
      }`);
    await program.wrote("serves");
    program.tell("stop");
    expect(await program.ended).toEqual({ code: 0, signal: null, stdout: "serves\nenough\n", stderr: "" });
  });
});
