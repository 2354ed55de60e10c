import { CorioError } from "corio";

/** A connection that was used had ended before, without an error of its own. */
export class ConnectionLostError extends CorioError {
  override readonly name: string = "ConnectionLostError";

  constructor(message = "the connection is lost: the peer, or this side, has closed it") {
    super("ERR_CORIO_CONNECTION_LOST", message);
  }
}
