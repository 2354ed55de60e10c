import { CorioError } from "corio";
import { ClientConnectionError, ClientPayloadError, ServerDisconnectedError } from "../errors/client-error.js";
import { invalidArgument } from "../errors/invalid-argument.js";

/**
 * @internal What a request failed with before it was answered, in the session's terms.
 *
 * @param unsent whether no connection stood yet
 */
export function connectionFailure(error: Error, url: string, unsent: boolean): unknown {
  if (error instanceof CorioError && error.code !== "ERR_CORIO_PROXY") return error;
  const code = codeOf(error);
  if (code === "UND_ERR_INVALID_ARG" || code === "UND_ERR_NOT_SUPPORTED") {
    return invalidArgument("REQUEST", `${error.message}: ${url}`);
  }
  if (code === "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH") {
    return invalidArgument("CONTENT_LENGTH", `the body has not the length that content-length says: ${url}`);
  }
  const why = wordsOf(error);
  if (unsent) return new ClientConnectionError(`cannot connect to ${url}: ${why}`, url, { cause: error });
  return new ServerDisconnectedError(`no answer from ${url}: ${why}`, url, { cause: error });
}

/** @internal What broke the body of an answer. */
export function payloadFailure(error: Error, url: string): unknown {
  if (error instanceof CorioError) return error;
  return new ClientPayloadError(`the body of ${url} broke off: ${wordsOf(error)}`, url, { cause: error });
}

function codeOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === "string" ? code : "";
}

/** A host that refused at each of its addresses makes an AggregateError without words of its own. */
function wordsOf(error: Error): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(wordsOf).join("; ");
  const code = codeOf(error);
  return code === "" || code.startsWith("UND_") || error.message.includes(code)
    ? error.message
    : `${error.message} (${code})`;
}
