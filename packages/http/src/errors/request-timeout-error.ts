import { TimeoutError } from "corio";

/** Which part of a request has a time limit of its own. */
export type RequestPhase = "total" | "connect" | "headers" | "body";

/** A time limit of a request passed: the root of the four that say which. A `TimeoutError`, as all of corio's are. */
export abstract class RequestTimeoutError extends TimeoutError {
  override readonly name: string = "RequestTimeoutError";
  override readonly code: string;
  /** Which limit. */
  abstract readonly phase: RequestPhase;
  /** How long it was, in milliseconds. */
  readonly limit: number;
  readonly url: string;

  /** @internal */
  constructor(code: string, what: string, limit: number, url: string) {
    super(`${what} ${limit} ms: ${url}`);
    this.code = code;
    this.limit = limit;
    this.url = url;
  }
}

/** The request as a whole, its body, redirects and retries included, took longer than `timeout.total`. */
export class TotalTimeoutError extends RequestTimeoutError {
  override readonly name: string = "TotalTimeoutError";
  readonly phase = "total";

  /** @internal */
  constructor(limit: number, url: string) {
    super("ERR_CORIO_TOTAL_TIMEOUT", "the request was not done within", limit, url);
  }
}

/** No connection stood within `timeout.connect`, the handshake of TLS included. */
export class ConnectTimeoutError extends RequestTimeoutError {
  override readonly name: string = "ConnectTimeoutError";
  readonly phase = "connect";

  /** @internal */
  constructor(limit: number, url: string) {
    super("ERR_CORIO_CONNECT_TIMEOUT", "no connection within", limit, url);
  }
}

/** The headers of the answer did not come within `timeout.headers` of the moment in which the request began to be sent. */
export class HeadersTimeoutError extends RequestTimeoutError {
  override readonly name: string = "HeadersTimeoutError";
  readonly phase = "headers";

  /** @internal */
  constructor(limit: number, url: string) {
    super("ERR_CORIO_HEADERS_TIMEOUT", "no answer within", limit, url);
  }
}

/** The body of the answer stood still for longer than `timeout.body`, while somebody waited for it. */
export class BodyTimeoutError extends RequestTimeoutError {
  override readonly name: string = "BodyTimeoutError";
  readonly phase = "body";

  /** @internal */
  constructor(limit: number, url: string) {
    super("ERR_CORIO_BODY_TIMEOUT", "the body stood still for", limit, url);
  }
}
