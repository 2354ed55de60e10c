import {
  type ClosableCursor,
  type Coroutine,
  type CursorSource,
  type EventLoop,
  getRunningLoop,
  makeCursor,
  sleep,
  type Source,
} from "corio";
import { ClientConnectionError, ClientError, ClientPayloadError } from "../errors/client-error.js";
import { invalidArgument } from "../errors/invalid-argument.js";
import { RequestTimeoutError } from "../errors/request-timeout-error.js";
import { checkEventSize, eventsOf, type ServerSentEvent } from "../events/server-sent-events.js";

/** How server-sent events are listened to, over as many connections as it takes. */
export interface EventSourceOptions {
  /** After which event to begin: its `id`, from an earlier run. Default: where the server begins. */
  lastEventId?: string | undefined;
  /** How long to wait before connecting again, in milliseconds, until the server says otherwise (`retry:`); default 3,000. */
  reconnectDelay?: number | undefined;
  /**
   * The longest that is waited, in milliseconds, as the delay is doubled for each connection in a row that brings no event;
   * default 60,000. What the server asks for is kept to even if it is longer.
   */
  maxReconnectDelay?: number | undefined;
  /** By how much a delay may be longer by chance, so that not all clients come at once: from 0 to 1; default 0.5. */
  jitter?: number | undefined;
  /** How many connections in a row may fail before the error is thrown; default no limit. The first of all may not. */
  maxReconnects?: number | undefined;
  /** How long an event may be, in characters; default 1 MiB. */
  maxEventSize?: number | undefined;
  /** Told each time that a connection has ended: why (`undefined`: the server ended it), and for how many milliseconds it waits. */
  onReconnect?: ((error: unknown, delay: number) => void) | undefined;
}

/** @internal An answer that may be a stream of events. */
export interface EventStream {
  readonly status: number;
  /** The header. */
  readonly contentType: string | undefined;
  readonly url: string;
  readonly body: Source<Uint8Array>;
  /** It is of no more use. Called once, and at once when it has ended. */
  release(): void;
}

/**
 * @internal Server-sent events, over one connection after another: a connection that ends or breaks is made anew, and the server is
 * told after which event to go on. It ends when the server answers with 204.
 *
 * Iterating throws what the first connection fails with; a `ClientError` (`ERR_CORIO_EVENT_STREAM`) at an answer that is no stream
 * of events, which no other attempt follows; a `CorioError` at an event that is too large.
 *
 * *If cancelled*, no event is lost: the next step goes on where it was.
 *
 * @param connect makes the request with these headers, and waits for the head of its answer
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#the-eventsource-interface
 */
export function reconnectingEvents(
  connect: (headers: Readonly<Record<string, string>>) => Coroutine<EventStream>,
  options: EventSourceOptions = {},
): CursorSource<ServerSentEvent> {
  const settings = settingsOf(options);
  return { [makeCursor]: () => new ReconnectingCursor(getRunningLoop(), connect, settings) };
}

interface Settings {
  readonly lastEventId: string;
  readonly reconnectDelay: number;
  readonly maxReconnectDelay: number;
  readonly jitter: number;
  readonly maxReconnects: number;
  readonly maxEventSize: number;
  readonly onReconnect: (error: unknown, delay: number) => void;
}

/**
 *   disconnected ──connect──> connected ──end, error──> disconnected, until a time
 *        └──204──> over           └──too large──> over
 */
class ReconnectingCursor implements ClosableCursor<ServerSentEvent> {
  value = undefined as unknown as ServerSentEvent;
  readonly #loop: EventLoop;
  readonly #connect: (headers: Readonly<Record<string, string>>) => Coroutine<EventStream>;
  readonly #settings: Settings;
  #stream: EventStream | undefined;
  #events: ClosableCursor<ServerSentEvent> | undefined;
  #lastId: string;
  #delay: number;
  #connectAt = Number.NEGATIVE_INFINITY;
  #wasConnected = false;
  // connections in a row that brought no event, and those of them that failed
  #fruitless = 0;
  #failed = 0;
  #over = false;

  constructor(
    loop: EventLoop,
    connect: (headers: Readonly<Record<string, string>>) => Coroutine<EventStream>,
    settings: Settings,
  ) {
    this.#loop = loop;
    this.#connect = connect;
    this.#settings = settings;
    this.#lastId = settings.lastEventId;
    this.#delay = settings.reconnectDelay;
  }

  *next(): Coroutine<boolean> {
    while (!this.#over) {
      let error: unknown;
      try {
        this.#events ??= yield* this.#open();
        if (this.#events === undefined) break;
        if (yield* this.#events.next()) {
          this.value = this.#events.value;
          this.#lastId = this.value.id;
          this.#fruitless = this.#failed = 0;
          return true;
        }
      } catch (thrown) {
        if (!this.#isPassing(thrown)) throw thrown;
        error = thrown;
      }
      yield* this.#disconnect(error);
      this.#waitFor(error);
    }
    return false;
  }

  *close(error?: unknown): Coroutine<void> {
    this.#over = true;
    yield* this.#disconnect(error);
  }

  *#open(): Coroutine<ClosableCursor<ServerSentEvent> | undefined> {
    const wait = this.#connectAt - this.#loop.time();
    if (wait > 0) yield* sleep(wait);
    const stream = yield* this.#connect(this.#headers());
    const problem = problemOf(stream);
    if (stream.status === 204 || problem !== undefined) {
      this.#over = true;
      stream.release();
      if (problem !== undefined) throw problem;
      return undefined;
    }
    this.#stream = stream;
    this.#wasConnected = true;
    const { maxEventSize } = this.#settings;
    const onRetry = (delay: number): void => void (this.#delay = delay);
    return eventsOf(stream.body, { maxEventSize, lastEventId: this.#lastId, onRetry })[makeCursor]();
  }

  *#disconnect(error: unknown): Coroutine<void> {
    const events = this.#events;
    const stream = this.#stream;
    this.#events = this.#stream = undefined;
    try {
      if (events !== undefined) yield* events.close(error);
    } finally {
      stream?.release();
    }
  }

  #headers(): Record<string, string> {
    const headers: Record<string, string> = { accept: "text/event-stream", "cache-control": "no-store" };
    // UTF-8, which a header carries as if it were Latin-1; control characters no header does
    // oxlint-disable-next-line no-control-regex
    if (this.#lastId !== "" && !/[\0-\x08\x0a-\x1f\x7f]/.test(this.#lastId)) {
      headers["last-event-id"] = Buffer.from(this.#lastId, "utf8").toString("latin1");
    }
    return headers;
  }

  /** Whether it is worth another attempt. */
  #isPassing(error: unknown): boolean {
    if (!this.#wasConnected) return false;
    const ofTheNetwork =
      error instanceof ClientConnectionError ||
      error instanceof ClientPayloadError ||
      error instanceof RequestTimeoutError;
    return ofTheNetwork && ++this.#failed <= this.#settings.maxReconnects;
  }

  #waitFor(error: unknown): void {
    const { jitter, maxReconnectDelay, onReconnect } = this.#settings;
    const least = this.#delay;
    // of a server that wants no delay, and brings nothing, more than a wish is needed
    const grown = this.#fruitless === 0 ? least : Math.max(least, LEAST_GROWING) * 2 ** this.#fruitless;
    const delay = Math.max(least, Math.min(grown, maxReconnectDelay)) * (1 + jitter * Math.random());
    this.#fruitless++;
    this.#connectAt = this.#loop.time() + delay;
    onReconnect(error, delay);
  }
}

const LEAST_GROWING = 500;

function problemOf({ status, contentType, url }: EventStream): ClientError | undefined {
  if (status === 204) return undefined;
  const type = contentType?.split(";", 1)[0]?.trim().toLowerCase();
  if (status === 200 && type === "text/event-stream") return undefined;
  const answer = status === 200 ? `content of type ${contentType ?? "unknown"}` : `the status ${status}`;
  return new ClientError("ERR_CORIO_EVENT_STREAM", `${url} gives no server-sent events, but ${answer}`, url);
}

function settingsOf(options: EventSourceOptions): Settings {
  const { lastEventId = "", reconnectDelay = 3_000, maxReconnectDelay = 60_000, jitter = 0.5 } = options;
  const { maxReconnects = Number.POSITIVE_INFINITY, onReconnect = nobody } = options;
  for (const [name, value, most] of [
    ["reconnectDelay", reconnectDelay, Number.MAX_VALUE],
    ["maxReconnectDelay", maxReconnectDelay, Number.POSITIVE_INFINITY],
    ["jitter", jitter, 1],
    ["maxReconnects", maxReconnects, Number.POSITIVE_INFINITY],
  ] as const) {
    if (!(value >= 0 && value <= most)) throw invalidArgument("EVENTS", `${name} cannot be ${String(value)}`);
  }
  if (typeof lastEventId !== "string") throw invalidArgument("EVENTS", "lastEventId is the `id` of an event, a string");
  const maxEventSize = checkEventSize(options.maxEventSize);
  return { lastEventId, reconnectDelay, maxReconnectDelay, jitter, maxReconnects, maxEventSize, onReconnect };
}

function nobody(): void {}
