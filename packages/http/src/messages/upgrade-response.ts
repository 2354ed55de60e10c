import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Coroutine, EventLoop } from "corio";
import type { HeadersInput } from "./header-list.js";
import { Response } from "./response.js";

/** @internal The connection that a request to upgrade has come by. From now on it is the upgrade's: to write to, and to close. */
export interface UpgradeContext {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What has been read behind the request. */
  readonly head: Buffer;
  readonly loop: EventLoop;
  /** Sets what is called, once, when the server begins to shut down; at once if it does already. */
  readonly onGoingAway: (callback: () => void) => void;
}

/**
 * @internal An answer that takes over the connection, as that to a WebSocket does. The server runs what it is given in the request's
 * task, and counts the request as in flight until that has ended; what is left of the connection is destroyed then.
 *
 * Nothing of it is sent by the server: the head with the status 101 is the upgrade's to write.
 */
export class UpgradeResponse extends Response {
  /** @internal */
  readonly _upgrade: (context: UpgradeContext) => Coroutine<void>;

  /** @param headers for who looks at the response before it is sent, such as middleware; {@link _headerList} has what became of them */
  constructor(upgrade: (context: UpgradeContext) => Coroutine<void>, headers?: HeadersInput) {
    super(null, { headers });
    this._status = 101;
    this._upgrade = upgrade;
  }
}
