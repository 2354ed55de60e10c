import { AsyncResource } from "node:async_hooks";
import { randomUUID, scrypt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { MessageChannel, Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BegunResources } from "../../src/virtual-time/begun-resources.js";
import { beginUnseen, nextTurn, pause, waitingForTurn } from "../../src/virtual-time/real-turns.js";

let begun: BegunResources;

beforeEach(() => {
  begun = new BegunResources();
});

afterEach(() => begun.end());

/** Stands for what this process cannot have at will, such as a terminal. */
class Handle extends AsyncResource {
  fd: number | undefined;
  isRef: boolean | undefined = true;

  constructor(type: string, fd?: number) {
    super(type);
    this.fd = fd;
  }

  hasRef(): boolean | undefined {
    return this.isRef;
  }
}

async function atRest(): Promise<void> {
  while (begun.activity !== "none") await pause(1);
}

describe("what was begun", () => {
  test("is nothing at first", () => {
    expect([BegunResources.known, begun.activity, begun.list(), begun.open]).toEqual([true, "none", [], []]);
  });

  test("is busy while a timer is armed, and not once it has rung, was cleared or keeps nothing alive", async () => {
    const timers = [setTimeout(() => {}, 1), setTimeout(() => {}, 60_000), setInterval(() => {}, 60_000)];
    expect([begun.activity, begun.list()]).toEqual(["busy", ["3 Timeout"]]);
    clearTimeout(timers[1]);
    timers[2]?.unref();
    await atRest();
    timers[2]?.ref();
    expect(begun.activity).toBe("busy");
    clearInterval(timers[2]);
    expect([begun.activity, begun.list()]).toEqual(["none", []]);
  });

  test("is busy while a file is read or a key is made, and not by what is done at once", async () => {
    const file = readFile(fileURLToPath(import.meta.url));
    expect(begun.activity).toBe("busy");
    await file;
    await atRest();
    const key = promisify(scrypt)("secret", "salt", 32);
    expect([begun.activity, begun.list()]).toEqual(["busy", ["1 SCRYPTREQUEST"]]);
    await key;
    randomUUID();
    globalThis.crypto.randomUUID();
    globalThis.crypto.getRandomValues(new Uint8Array(16));
    await atRest();
  });

  test("is idle while sockets are open, and busy while they connect", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    await pause(1);
    expect(begun.activity).toBe("idle");
    const { port } = server.address() as { port: number };
    const accepted = once(server, "connection");
    const socket = connect(port, "127.0.0.1");
    // where it begins to connect
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(begun.activity).toBe("busy");
    const [peer] = (await accepted) as [ReturnType<typeof connect>];
    while (begun.activity === "busy") await pause(1);
    expect([begun.activity, begun.open.map(({ type }) => type).toSorted()]).toEqual([
      "idle",
      ["TCPSERVERWRAP", "TCPWRAP", "TCPWRAP"],
    ]);
    for (const end of [socket, peer]) end.destroy();
    server.close();
    await atRest();
    expect(begun.open).toEqual([]);
  });

  test("is busy while a thread works, and none once it has ended", async () => {
    const worker = new Worker("setTimeout(() => {}, 20)", { eval: true });
    expect(begun.activity).toBe("busy");
    await once(worker, "exit");
    await atRest();
  });

  test("is idle while only a port listens", () => {
    const { port1, port2 } = new MessageChannel();
    port2.on("message", () => {});
    expect(begun.activity).toBe("idle");
    port1.close();
  });

  test("is busy while an immediate is due, except for those of nextTurn()", async () => {
    setImmediate(() => {});
    expect(begun.activity).toBe("busy");
    await nextTurn();
    const turn = nextTurn();
    expect([waitingForTurn(), begun.activity]).toEqual([1, "none"]);
    await turn;
    expect(waitingForTurn()).toBe(0);
  });

  test("does not count what is begun unseen, nor pauses", async () => {
    const timer = beginUnseen(() => setTimeout(() => {}, 60_000));
    const pausing = pause(1);
    expect(begun.activity).toBe("none");
    clearTimeout(timer);
    await pausing;
    expect(() =>
      beginUnseen(() => {
        throw new Error("inside");
      }),
    ).toThrow("inside");
    const seen = setTimeout(() => {}, 60_000);
    expect(begun.activity).toBe("busy");
    clearTimeout(seen);
  });

  test("counts only what begins while it watches, and keeps an eye on that", () => {
    const seen = setTimeout(() => {}, 60_000);
    begun.end();
    const unseen = setTimeout(() => {}, 60_000);
    expect(begun.list()).toEqual(["1 Timeout"]);
    clearTimeout(seen);
    expect(begun.activity).toBe("none");
    begun.watch();
    const again = setTimeout(() => {}, 60_000);
    expect(begun.list()).toEqual(["1 Timeout"]);
    for (const timer of [unseen, again]) clearTimeout(timer);
  });

  test.each([
    ["PROCESSWRAP", undefined, "busy"],
    ["PIPEWRAP", undefined, "idle"],
    ["PIPEWRAP", 7, "idle"],
    ["PIPEWRAP", 1, "none"],
    ["TTYWRAP", 24, "none"],
  ] as const)("%s with the file descriptor %s is %s", (type, fd, activity) => {
    const handle = new Handle(type, fd);
    expect([begun.activity, begun.open.length]).toEqual([activity, activity === "none" ? 0 : 1]);
    handle.isRef = false;
    expect(begun.activity).toBe("none");
    handle.isRef = undefined;
    expect([begun.activity, begun.open]).toEqual(["none", []]);
  });

  test("keeps nothing of what is over, however much of it there is", () => {
    for (let i = 0; i < 5_000; i++) clearTimeout(setTimeout(() => {}, 1));
    for (let i = 0; i < 5_000; i++) randomUUID({ disableEntropyCache: true });
    expect([begun.activity, begun.list()]).toEqual(["none", []]);
  });
});
