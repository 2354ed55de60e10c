import { TextDecoder } from "node:util";
import { CorioError, type Coroutine, type CursorSource } from "corio";
import type { ReaderCursor, StreamReader } from "@corio/node";
import { ClientResponseError } from "../errors/client-response-error.js";
import { eventsOf, type ServerSentEvent } from "../events/server-sent-events.js";
import type { Exchange, ReceivedHeaders, ResponseHead } from "./exchange.js";
import { LinesCursor } from "./lines-cursor.js";

/** A redirect that was followed. */
export interface FollowedRedirect {
  readonly status: number;
  readonly url: string;
}

/**
 * What a server answered: made by the methods of `ClientSession`. Its body is read as a whole (`bytes`, `text`, `json`) or piece
 * by piece (`body`, `chunks`, `lines`, `events`), not both.
 *
 * A context manager: leaving its block releases it. A body that was read to its end has given its connection back by itself; of
 * one that was not, the connection is closed, so that no other request finds the rest of it.
 *
 * @example
 * yield* within(session.get("https://example.com/"), function* (response) {
 *   response.raiseForStatus();
 *   yield* forEach(response.lines(), (line) => console.log(line));
 * });
 * @see https://docs.aiohttp.org/en/stable/client_reference.html#response-object
 */
export class ClientResponse {
  readonly status: number;
  /** "OK", for one; what the server wrote. */
  readonly statusText: string;
  readonly method: string;
  /** What was answered: after redirects, the last of them. Without a fragment and without credentials. */
  readonly url: string;
  /** The redirects that led here. */
  readonly redirects: readonly FollowedRedirect[];
  readonly #exchange: Exchange;
  readonly #received: ReceivedHeaders;
  #headers: Headers | undefined;

  /** @internal */
  constructor(
    exchange: Exchange,
    head: ResponseHead,
    method: string,
    url: string,
    redirects: readonly FollowedRedirect[],
  ) {
    this.#exchange = exchange;
    this.#received = head.headers;
    this.status = head.status;
    this.statusText = head.statusText;
    this.method = method;
    this.url = url;
    this.redirects = redirects;
  }

  /** Whether the status is 200 to 299. */
  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** The headers of the answer. Several `set-cookie` are told apart by `headers.getSetCookie()`. */
  get headers(): Headers {
    return (this.#headers ??= headersOf(this.#received));
  }

  /** Throws a `ClientResponseError` if the status is 400 or more, and releases the response then. */
  raiseForStatus(): void {
    if (this.status < 400) return;
    this.release();
    throw new ClientResponseError(this);
  }

  /**
   * The body. Can be asked for again.
   *
   * @throws what broke it: a ClientPayloadError; a RequestTimeoutError; a ResponseTooLargeError if it is larger than `maxBodySize`,
   * default 128 MiB here. A `CorioError` if it is read piece by piece, or another task is reading it
   *
   * *If cancelled*, the response is released.
   */
  bytes(): Coroutine<Uint8Array> {
    return this.#exchange.body.whole();
  }

  /**
   * The body as text.
   *
   * @param encoding default what the header `content-type` says, else UTF-8; a byte order mark is left out
   * @throws a `RangeError` if the encoding is not known; what {@link bytes} throws
   *
   * *If cancelled*, the response is released.
   */
  *text(encoding?: string): Coroutine<string> {
    const decoder = new TextDecoder(encoding ?? this.#charset());
    return decoder.decode(yield* this.bytes());
  }

  /**
   * The body, parsed as JSON, whatever its content type.
   *
   * @returns what the caller says that it is; it is not checked
   * @throws a `SyntaxError` if it is no JSON; what {@link bytes} throws
   *
   * *If cancelled*, the response is released.
   */
  *json<T = unknown>(): Coroutine<T> {
    return JSON.parse(yield* this.text("utf-8")) as T;
  }

  /** The body piece by piece: a reader with `read`, `readline`, `readuntil`, … Iterated, it gives lines as bytes. */
  get body(): StreamReader {
    return this.#exchange.body.reader;
  }

  /** The body in the pieces in which it arrives, for `forEach`, `iterate` and `for await`. */
  chunks(): ReaderCursor {
    return this.body.chunks();
  }

  /**
   * The body's lines as text, without their ends, for `forEach`, `iterate` and `for await`.
   *
   * @param options `limit`: how many characters a line may have; default 1,048,576
   */
  lines(options: { limit?: number } = {}): LinesCursor {
    return new LinesCursor(this.#exchange.loop, this.chunks(), new TextDecoder(this.#charset()), options.limit);
  }

  /** The server-sent events of a body of type `text/event-stream`. To be connected again after an end: `session.events(url)`. */
  events(): CursorSource<ServerSentEvent> {
    return eventsOf(this.chunks());
  }

  /** Gives the connection back. A body that has not come to its end cannot be read any more. */
  release(reason?: unknown): void {
    if (!this.#exchange.over) this.#exchange.abort(reason ?? released());
  }

  /** For `within`. */
  enter(): this {
    return this;
  }

  /** For `within`: releases it. */
  exit(): void {
    this.release();
  }

  #charset(): string {
    const type = this.#received["content-type"];
    const [, charset] = (typeof type === "string" && /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(type)) || [];
    if (charset === undefined) return "utf-8";
    try {
      return new TextDecoder(charset).encoding;
    } catch {
      return "utf-8"; // what no browser knows either
    }
  }
}

/** @internal */
export function headersOf(received: ReceivedHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) {
    if (Array.isArray(value)) for (const one of value) headers.append(name, one);
    else if (value !== undefined) headers.append(name, value);
  }
  return headers;
}

function released(): CorioError {
  return new CorioError(
    "ERR_CORIO_RESPONSE_RELEASED",
    "the response was released: read its body inside its block, `yield* within(session.get(url), function* (response) {…})`",
  );
}
