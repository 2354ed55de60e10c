import { execFile } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { createTask, isCancelled, sleep, within } from "corio";
import { createUnixConnection, createUnixServer, openUnixConnection, startUnixServer } from "@corio/node";
import { describe, expect, test } from "vitest";
import { text } from "../support/bytes.js";
import { echo } from "../support/echo.js";
import { Recorder } from "../support/recorder.js";
import { runConnected } from "../support/run-connected.js";
import { socketPath, temporaryFolder } from "../support/temporary-folder.js";
import { systemError, thrownBy } from "../support/thrown-by.js";

const run = promisify(execFile);

/** Leaves a socket file that nobody listens on, as a process does that is killed. */
async function leaveSocket(path: string): Promise<void> {
  const program = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  await run(process.execPath, ["-e", program], { env: { ...process.env, NODE_OPTIONS: "" } }).catch(() => {});
  expect(lstatSync(path).isSocket()).toBe(true);
}

describe("a server on a Unix socket", () => {
  test("makes its file, tells its path, and removes it when it closes", async () => {
    await runConnected(function* () {
      const path = socketPath();
      const server = yield* startUnixServer(echo, path);
      expect(server.sockets.map((socket) => socket.address())).toEqual([path]);
      expect(existsSync(path)).toBe(true);
      server.close();
      yield* server.waitClosed();
      expect(existsSync(path)).toBe(false);
    });
  });

  test("replaces the file that a dead server has left", async () => {
    const path = socketPath();
    await leaveSocket(path);
    await runConnected(function* () {
      const server = yield* startUnixServer(echo, path);
      yield* within(server, function* () {
        const [reader, writer] = yield* openUnixConnection(path);
        yield* within(writer, function* () {
          writer.write("alive\n");
          expect(text(yield* reader.readline())).toBe("alive\n");
        });
      });
      expect(existsSync(path)).toBe(false);
    });
  });

  test("leaves a server alone that is alive", async () => {
    await runConnected(function* () {
      const path = socketPath();
      const first = yield* startUnixServer(echo, path);
      yield* within(first, function* () {
        expect(yield* thrownBy(startUnixServer(echo, path))).toEqual(systemError("EADDRINUSE"));
        const [reader, writer] = yield* openUnixConnection(path);
        yield* within(writer, function* () {
          writer.write("still\n");
          expect(text(yield* reader.readline())).toBe("still\n");
        });
      });
    });
  });

  test.each<[string, (path: string) => void, (path: string) => void]>([
    [
      "a file",
      (path) => writeFileSync(path, "precious"),
      (path) => expect(readFileSync(path, "utf8")).toBe("precious"),
    ],
    ["a folder", (path) => mkdirSync(path), (path) => expect(lstatSync(path).isDirectory()).toBe(true)],
    [
      "a link to a file",
      (path) => {
        writeFileSync(`${path}.target`, "precious");
        symlinkSync(`${path}.target`, path);
      },
      (path) => expect(readFileSync(path, "utf8")).toBe("precious"),
    ],
  ])("does not replace %s by its own", async (_name, put, check) => {
    await runConnected(function* () {
      const path = socketPath();
      put(path);
      expect(yield* thrownBy(startUnixServer(echo, path))).toEqual(systemError("EADDRINUSE"));
      check(path);
    });
  });

  test("closes although somebody has removed its file", async () => {
    await runConnected(function* () {
      const path = socketPath();
      const server = yield* startUnixServer(echo, path);
      unlinkSync(path);
      server.close();
      yield* server.waitClosed();
    });
  });

  test("throws the system's error where its file cannot be", async () => {
    await runConnected(function* () {
      const path = join(temporaryFolder(), "no such folder", "socket");
      const error = yield* thrownBy(startUnixServer(echo, path));
      expect(error).toMatchObject({ code: expect.stringMatching(/^(EACCES|ENOENT)$/) });
    });
  });

  test("that is cancelled while it takes over leaves nothing listening", async () => {
    const path = socketPath();
    await leaveSocket(path);
    await runConnected(function* () {
      for (let turns = 0; turns < 6; turns++) {
        const starting = createTask(startUnixServer(echo, path));
        for (let i = 0; i < turns; i++) yield* sleep(0);
        starting.cancel();
        const error = yield* thrownBy(
          (function* () {
            (yield* starting).close();
            throw new Error("it was faster");
          })(),
        );
        if (!isCancelled(error)) expect(error).toMatchObject({ message: "it was faster" });
        yield* sleep(1);
        expect(yield* thrownBy(openUnixConnection(path))).toMatchObject({
          code: expect.stringMatching(/^(ECONNREFUSED|ENOENT)$/),
        });
      }
    });
  });

  test("serves protocols, and is reached by them", async () => {
    await runConnected(function* () {
      const path = socketPath();
      const heard = new Recorder();
      const server = yield* createUnixServer(() => heard, path);
      yield* within(server, function* () {
        const said = new Recorder();
        const [transport, protocol] = yield* createUnixConnection(() => said, path);
        expect(protocol).toBe(said);
        expect(said.log).toEqual(["connectionMade"]);
        transport.write("hello");
        transport.close();
        yield* said.over();
        yield* heard.over();
        expect(heard.log).toEqual(["connectionMade", "dataReceived: hello", "eofReceived", "connectionLost"]);
      });
    });
  });
});
