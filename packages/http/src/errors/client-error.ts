import { CorioError } from "corio";

/**
 * What goes wrong with a request of a `ClientSession`, time limits apart (they are `TimeoutError`s): the root of these errors.
 *
 * @see https://docs.aiohttp.org/en/stable/client_reference.html#client-exceptions
 */
export class ClientError extends CorioError {
  override readonly name: string = "ClientError";
  /** What was requested; after redirects, the last of them. */
  readonly url: string;

  /** @internal */
  constructor(code: string, message: string, url: string, options?: { cause?: unknown }) {
    super(code, message, options);
    this.url = url;
  }
}

/** There is no connection: the host is unknown, refuses, or its certificate is not to be trusted. Node's error is the `cause`. */
export class ClientConnectionError extends ClientError {
  override readonly name: string = "ClientConnectionError";

  /** @internal */
  constructor(message: string, url: string, options?: { cause?: unknown }, code = "ERR_CORIO_CONNECTION") {
    super(code, message, url, options);
  }
}

/** The server closed the connection, or broke it, before it had answered; or what came was not HTTP. */
export class ServerDisconnectedError extends ClientConnectionError {
  override readonly name: string = "ServerDisconnectedError";

  /** @internal */
  constructor(message: string, url: string, options?: { cause?: unknown }) {
    super(message, url, options, "ERR_CORIO_SERVER_DISCONNECTED");
  }
}

/** The answer began, and its body broke off or cannot be decoded. What came before is lost, unless it was read piece by piece. */
export class ClientPayloadError extends ClientError {
  override readonly name: string = "ClientPayloadError";

  /** @internal */
  constructor(message: string, url: string, options?: { cause?: unknown }) {
    super("ERR_CORIO_PAYLOAD", message, url, options);
  }
}

/** The body of an answer is larger than `maxBodySize` allows, decompressed. */
export class ResponseTooLargeError extends ClientError {
  override readonly name: string = "ResponseTooLargeError";
  /** In bytes. */
  readonly limit: number;

  /** @internal */
  constructor(limit: number, url: string) {
    super(
      "ERR_CORIO_RESPONSE_TOO_LARGE",
      `the body is larger than the ${limit} bytes that maxBodySize allows: raise it, or read the body piece by piece`,
      url,
    );
    this.limit = limit;
  }
}

/** A redirect that is not followed: one too many, to something that is not HTTP, or with a body that cannot be sent again. */
export class RedirectError extends ClientError {
  override readonly name: string = "RedirectError";

  /** @internal */
  constructor(message: string, url: string) {
    super("ERR_CORIO_REDIRECT", message, url);
  }
}
