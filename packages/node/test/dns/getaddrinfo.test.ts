import { ADDRCONFIG, V4MAPPED } from "node:dns";
import { createHook } from "node:async_hooks";
import {
  type Coroutine,
  createTask,
  type ExceptionContext,
  gather,
  getRunningLoop,
  isCancelled,
  run,
  sleep,
  until,
} from "corio";
import { describe, expect, test } from "vitest";
import { getaddrinfo } from "../../src/dns/getaddrinfo.js";

// A label of more than 63 letters is in no name, so that nobody is asked for it.
const NO_NAME = "a".repeat(64);

/** Counts what is asked of the system while a coroutine runs, and waits for the answers. */
function* requests(type: string, main: () => Coroutine<void>): Coroutine<number> {
  const begun = new Set<number>();
  const ended = new Set<number>();
  const hook = createHook({
    init: (id, kind) => void (kind === type && begun.add(id)),
    after: (id) => void ended.add(id),
  }).enable();
  try {
    yield* main();
    while ([...begun].some((id) => !ended.has(id))) yield* sleep(1);
  } finally {
    hook.disable();
  }
  return begun.size;
}

describe("getaddrinfo", () => {
  test("gives the addresses of a name, with the port", async () => {
    const addresses = await run(getaddrinfo("localhost", 8080));
    expect(addresses.length).toBeGreaterThan(0);
    for (const { family, address, port } of addresses) {
      expect([family, address]).toEqual(address === "::1" ? [6, "::1"] : [4, "127.0.0.1"]);
      expect(port).toBe(8080);
    }
  });

  test("gives those of one family only, if it is told so", async () => {
    expect(await run(getaddrinfo("localhost", "80", { family: 4, flags: ADDRCONFIG }))).toContainEqual({
      family: 4,
      address: "127.0.0.1",
      port: 80,
    });
  });

  test("answers an IP address at once, without the system", async () => {
    await run(function* () {
      const count = yield* requests("GETADDRINFOREQWRAP", function* () {
        expect(yield* getaddrinfo("192.0.2.1", 1)).toEqual([{ family: 4, address: "192.0.2.1", port: 1 }]);
        expect(yield* getaddrinfo("fe80::1%lo", "2", { family: 6 })).toEqual([
          { family: 6, address: "fe80::1%lo", port: 2 },
        ]);
        expect(yield* getaddrinfo("192.0.2.1", 0, { family: 6, flags: V4MAPPED })).toEqual([
          { family: 6, address: "::ffff:192.0.2.1", port: 0 },
        ]);
      });
      expect(count).toBe(0);
    });
  });

  test("throws ENOTFOUND for an IP address of the other family", async () => {
    await expect(run(getaddrinfo("::1", 80, { family: 4 }))).rejects.toMatchObject({
      code: "ENOTFOUND",
      message: expect.stringContaining("::1: it is no address of IPv4"),
    });
    await expect(run(getaddrinfo("192.0.2.1", 80, { family: 6 }))).rejects.toMatchObject({ code: "ENOTFOUND" });
  });

  test("throws the system's error for a name that has no address", async () => {
    await expect(run(getaddrinfo(NO_NAME, 80))).rejects.toMatchObject({
      code: "ENOTFOUND",
      syscall: "getaddrinfo",
      hostname: NO_NAME,
    });
  });

  test("cancelled, ends the wait at once, and drops the answer, also if that is an error", async () => {
    const reports: ExceptionContext[] = [];
    await run(function* () {
      getRunningLoop().exceptionHandler = (_loop, context) => void reports.push(context);
      const count = yield* requests("GETADDRINFOREQWRAP", function* () {
        for (const name of ["localhost", NO_NAME]) {
          const task = createTask(getaddrinfo(name, 80));
          yield* sleep(0);
          task.cancel();
          const [error] = yield* gather([task], { returnExceptions: true });
          expect(isCancelled(error)).toBe(true);
        }
      });
      expect(count).toBe(2);
      yield* until(new Promise((resolve) => setImmediate(resolve)));
    });
    expect(reports).toEqual([]);
  });

  test("may be dropped when its loop is gone", async () => {
    await run(function* () {
      createTask(getaddrinfo("localhost", 80));
      yield* sleep(0);
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
  });

  test("refuses at once what is no port, no host, no family", () => {
    expect(() => getaddrinfo("localhost", "http")).toThrow(/names of services are not looked up, write e\.g\. 80/);
    for (const port of [-1, 65_536, 1.5, Number.NaN, "", "1e3", undefined, null]) {
      expect(() => getaddrinfo("localhost", port as never)).toThrow(/takes a port from 0 to 65535, not/);
    }
    for (const host of ["", undefined, 5]) {
      expect(() => getaddrinfo(host as never, 80)).toThrow(/takes a name or an IP address, not/);
    }
    expect(() => getaddrinfo("localhost", 80, { family: 5 as never })).toThrow(/family is 4, 6, or 0 for both, not 5/);
  });
});
