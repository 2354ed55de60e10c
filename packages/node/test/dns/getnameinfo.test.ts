import { createTask, type ExceptionContext, gather, getRunningLoop, isCancelled, run, sleep } from "corio";
import { describe, expect, test } from "vitest";
import { getaddrinfo } from "../../src/dns/getaddrinfo.js";
import { getnameinfo } from "../../src/dns/getnameinfo.js";

describe("getnameinfo", () => {
  test("gives the names of an address and of a port, or the port where it has none", async () => {
    const { host, service } = await run(getnameinfo({ address: "127.0.0.1", port: 49_999 }));
    expect(host).not.toBe("");
    expect(service).toBe("49999");
  });

  test("takes what getaddrinfo gives", async () => {
    const names = await run(function* () {
      const [first] = yield* getaddrinfo("127.0.0.1", "49999");
      return yield* getnameinfo(first!);
    });
    expect(names).toEqual(await run(getnameinfo({ address: "127.0.0.1", port: "49999" })));
  });

  test("cancelled, ends the wait at once, and drops the answer", async () => {
    const reports: ExceptionContext[] = [];
    await run(function* () {
      getRunningLoop().exceptionHandler = (_loop, context) => void reports.push(context);
      const task = createTask(getnameinfo({ address: "127.0.0.1", port: 1 }));
      yield* sleep(0);
      task.cancel();
      const [error] = yield* gather([task], { returnExceptions: true });
      expect(isCancelled(error)).toBe(true);
      // what is asked later is answered later
      yield* getnameinfo({ address: "127.0.0.1", port: 1 });
    });
    expect(reports).toEqual([]);
  });

  test("refuses at once what is no IP address and what is no port", () => {
    for (const address of ["localhost", "", undefined]) {
      expect(() => getnameinfo({ address: address as never, port: 80 })).toThrow(
        /takes an IP address, not .*: getaddrinfo\(host, port\) gives those of a name/,
      );
    }
    expect(() => getnameinfo({ address: "127.0.0.1", port: "http" })).toThrow(/names of services are not looked up/);
  });
});
