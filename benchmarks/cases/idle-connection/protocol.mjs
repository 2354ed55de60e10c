import { createServer } from "@corio/node";
import { run } from "corio";

/**
 * @typedef {import("@corio/node").Protocol} Protocol
 * @implements {Protocol}
 */
class Echo {
  /** @param {import("@corio/node").Transport} transport */
  connectionMade(transport) {
    this.transport = transport;
  }

  /** @param {Uint8Array} data */
  dataReceived(data) {
    this.transport?.write(data);
  }
}

/** @param {import("../../harness/server.mjs").Control} control */
export const serve = (control) =>
  run(function* () {
    const server = yield* createServer(() => new Echo(), "127.0.0.1", 0);
    control.listening(server.sockets[0]?.address(), () => server.connections);
    yield* server.serveForever();
  });
