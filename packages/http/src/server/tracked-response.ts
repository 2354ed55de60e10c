import { type IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Exchange } from "./exchange.js";

/**
 * @internal An answer of HTTP/1 that tells its exchange when the client has taken it. Node lets go of the connection then, and this is
 * where it does: a listener for each of them would cost a tenth of what we add to a request.
 *
 * That the connection is gone, the connection itself tells.
 */
export class TrackedResponse<Request extends IncomingMessage = IncomingMessage> extends ServerResponse<Request> {
  exchange: Exchange | undefined = undefined;

  override detachSocket(socket: Socket): void {
    super.detachSocket(socket);
    this.exchange?.closed();
  }
}
