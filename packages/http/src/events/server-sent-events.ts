import {
  type ClosableCursor,
  type Coroutine,
  CorioError,
  type Cursor,
  type CursorSource,
  type Iteration,
  iterate,
  makeCursor,
  type Source,
} from "corio";
import { createParser, type EventSourceParser } from "eventsource-parser";
import { invalidArgument } from "../errors/invalid-argument.js";

/**
 * What a server tells by `text/event-stream`.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export interface ServerSentEvent {
  /** What kind of event it is; `"message"` where the server does not say. */
  readonly event: string;
  /** Its text; several lines are parted by `"\n"`. */
  readonly data: string;
  /** How far the stream has come: the last `id` that the server gave, with this event or an earlier one; `""` if it gave none. */
  readonly id: string;
}

/** @internal */
export interface EventsOptions {
  /** How long an event may be, in characters; default 1 MiB. */
  readonly maxEventSize?: number | undefined;
  /** The `id` that events without one have at first; default `""`. */
  readonly lastEventId?: string | undefined;
  /** Told how long the server wants clients to wait before they connect again, in milliseconds. */
  readonly onRetry?: ((delay: number) => void) | undefined;
}

/**
 * @internal The events that bytes are. What follows the last empty line is no event, and is dropped.
 *
 * Iterating them throws a `CorioError` at an event that is too large, and what the source throws.
 */
export function eventsOf(source: Source<Uint8Array>, options: EventsOptions = {}): CursorSource<ServerSentEvent> {
  checkEventSize(options.maxEventSize);
  return { [makeCursor]: () => new EventsCursor(iterate(source), options) };
}

/** @internal */
export function checkEventSize(maxEventSize = DEFAULT_SIZE): number {
  if (maxEventSize > 0) return maxEventSize;
  throw invalidArgument("EVENT_SIZE", `maxEventSize is a number of characters, more than 0, not ${maxEventSize}`);
}

const DEFAULT_SIZE = 1024 * 1024;

class EventsCursor implements ClosableCursor<ServerSentEvent> {
  value = undefined as unknown as ServerSentEvent;
  readonly #iteration: Iteration<Uint8Array>;
  readonly #parser: EventSourceParser;
  readonly #decoder = new TextDecoder(); // it drops a byte order mark, and keeps what a chunk ends in the midst of
  readonly #limit: number;
  #bytes: Cursor<Uint8Array> | undefined;
  // what came with one chunk, the next one last
  #ready: ServerSentEvent[] = [];
  #lastId: string;
  #endedInReturn = false;
  #tooLarge = false;

  constructor(iteration: Iteration<Uint8Array>, { maxEventSize, lastEventId = "", onRetry }: EventsOptions) {
    this.#iteration = iteration;
    this.#limit = checkEventSize(maxEventSize);
    this.#lastId = lastEventId;
    this.#parser = createParser({
      maxBufferSize: this.#limit,
      onRetry,
      onError: ({ type }) => {
        // fields that are unknown are ignored, as the standard has it
        if (type === "max-buffer-size-exceeded") this.#tooLarge = true;
      },
      onEvent: ({ event = "message", data, id = this.#lastId }) => {
        this.#lastId = id;
        if (data.length > this.#limit) this.#tooLarge = true;
        if (!this.#tooLarge) this.#ready.push({ event, data, id });
      },
    });
  }

  *next(): Coroutine<boolean> {
    for (;;) {
      const event = this.#ready.pop();
      if (event !== undefined) {
        this.value = event;
        return true;
      }
      if (this.#tooLarge) throw tooLarge(this.#limit);
      this.#bytes ??= yield* this.#iteration.enter();
      if (!(yield* this.#bytes.next())) return false;
      this.#feed(this.#decoder.decode(this.#bytes.value, { stream: true }));
    }
  }

  close(error?: unknown): Coroutine<void> {
    return this.#iteration.exit(error);
  }

  // With one kind of line break an event that ends in a "\r" does not wait for what may follow that.
  #feed(text: string): void {
    const rest = this.#endedInReturn && text.startsWith("\n") ? text.slice(1) : text;
    if (text !== "") this.#endedInReturn = text.endsWith("\r");
    this.#parser.feed(rest.includes("\r") ? rest.replace(/\r\n?/g, "\n") : rest);
    this.#ready.reverse();
  }
}

function tooLarge(limit: number): CorioError {
  return new CorioError(
    "ERR_CORIO_EVENT_TOO_LARGE",
    `a server-sent event is longer than the ${limit} characters that maxEventSize allows: raise it`,
  );
}
