import { expect, test } from "vitest";
import { LineClients, LineServer, openFilesLimit } from "./programs.js";

const CONNECTIONS = 10_000;
// what a process has open besides
const OTHERS = 200;

const limit = openFilesLimit();
const reason = `a process may have no more than ${limit} files open here (ulimit -Hn)`;
const possible = limit >= CONNECTIONS + OTHERS;
if (!possible) console.warn(`The test of ${CONNECTIONS} connections is skipped: ${reason}.`);

test.skipIf(!possible)(`one server has ${CONNECTIONS} connections at once, and nothing is left of them`, async () => {
  const processes = Math.max(2, Math.ceil(CONNECTIONS / (limit - OTHERS)));
  const share = CONNECTIONS / processes;
  const server = new LineServer();
  const port = await server.port();

  const clients = Array.from({ length: processes }, (_, n) => {
    return new LineClients(port, Math.floor(share * (n + 1)) - Math.floor(share * n));
  });
  const opened = await Promise.all(clients.map((one) => one.opened()));
  expect(opened.map(({ errors }) => errors)).toEqual(clients.map(() => ({})));
  expect(opened.reduce((sum, { answered }) => sum + answered, 0)).toBe(CONNECTIONS);
  expect(await server.state()).toEqual({ connections: CONNECTIONS, tasks: CONNECTIONS, errors: {} });

  // with all of them open
  const again = await Promise.all(clients.map((one) => one.again()));
  expect(again).toEqual(opened);

  const closed = await Promise.all(clients.map((one) => one.closed()));
  expect(closed).toEqual(opened.map(({ answered }) => ({ closed: answered, errors: {} })));
  expect(await server.idle()).toEqual({ connections: 0, tasks: 0, errors: {} });
  expect(await server.stopped()).toEqual({ connections: 0, tasks: 0, errors: {} });
});
