import { CorioError } from "corio";

/** @internal Why the task of a request is cancelled whose client has closed the connection, or taken the request back. */
export function clientGone(): CorioError {
  return new CorioError("ERR_CORIO_CLIENT_GONE", "the client went away before it had its answer");
}
