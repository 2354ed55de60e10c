import { randomUUID } from "node:crypto";
import {
  type Context,
  copyContext,
  type Coroutine,
  CorioError,
  type Cursor,
  type EventLoop,
  type Future,
  getRunningLoop,
  isCancelled,
  isCoroutine,
  type Iteration,
  iterate,
  makeCursor,
  type Source,
  type Task,
  wait,
  within,
} from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { type Fields, urlEncoded } from "./url-encoded.js";

/** A piece of a body; a text is sent in UTF-8. */
export type BodyChunk = string | ArrayBufferView | ArrayBuffer;

/**
 * What can be sent as it is:
 *
 * - a text, bytes, a `Blob`, `URLSearchParams`;
 * - a `FormData`, sent as `multipart/form-data`. Files in it are streamed: `await fs.openAsBlob(path)` is a file of the disk;
 * - pieces that come over time: an asynchronous generator, a `Queue`, a `StreamReader`'s `chunks()`, a Node `Readable`, a web
 *   `ReadableStream`, any asynchronous iterable. They are taken as fast as the server takes them, and can be sent only once: not
 *   again after a redirect with 307 or 308, and not in a retry.
 */
export type RequestBody = BodyChunk | Blob | URLSearchParams | FormData | Source<BodyChunk> | null;

/** The fields of a form that is sent URL-encoded: by their names, or `URLSearchParams`. One that is `undefined` is left out. */
export type FormFields = Fields;

/** @internal At most one of the three. */
export interface BodyOptions {
  readonly body?: RequestBody | undefined;
  readonly json?: unknown;
  readonly form?: FormFields | undefined;
}

/** @internal A body, ready for undici. */
export interface PreparedBody {
  /** For undici's `dispatch`, whose types do not know that it takes iterables. */
  readonly body: Buffer | AsyncIterable<Uint8Array> | null;
  /** For the header, where none is given. */
  readonly contentType: string | undefined;
  /** In bytes, if that is known before it is sent. */
  readonly length: number | undefined;
  /** Whether it can be sent again. */
  readonly replayable: boolean;
  /** What it has thrown when it was to be sent: the error of a generator, of a file that cannot be read. */
  readonly failure: { readonly error: unknown } | undefined;
  /**
   * The request is over: a source that has not come to its end is closed. Begins at once.
   *
   * @returns done when the source is closed, its `finally` included; fails with what that throws. `undefined` if there is nothing to do
   */
  close(): Future<void> | undefined;
}

/**
 * @internal Makes a body of what a request is given. Nothing of a source is taken before it is sent.
 *
 * @throws a TypeError for what is no body, and for more than one of the three; what `JSON.stringify` throws
 */
export function prepareBody({ body, json, form }: BodyOptions): PreparedBody {
  if (json !== undefined) {
    if (body != null || form !== undefined) throw moreThanOne();
    return new PiecesBody([bytesOf(stringified(json))], "application/json");
  }
  if (form !== undefined) {
    if (body != null) throw moreThanOne();
    return new PiecesBody([bytesOf(urlEncoded(form, "form"))], URL_ENCODED);
  }
  return body == null ? NO_BODY : preparedAsIs(body);
}

const URL_ENCODED = "application/x-www-form-urlencoded;charset=UTF-8";

const NO_BODY: PreparedBody = {
  body: null,
  contentType: undefined,
  length: undefined,
  replayable: true,
  failure: undefined,
  close: () => undefined,
};

function preparedAsIs(body: NonNullable<RequestBody>): PreparedBody {
  if (typeof body === "string") return new PiecesBody([bytesOf(body)], "text/plain;charset=UTF-8");
  const bytes = tryBytesOf(body);
  if (bytes !== undefined) return new PiecesBody([bytes], undefined);
  if (body instanceof URLSearchParams) return new PiecesBody([bytesOf(body.toString())], URL_ENCODED);
  if (isBlob(body)) return new PiecesBody([body], body.type === "" ? undefined : body.type);
  if (isFormData(body)) {
    const boundary = `corio-${randomUUID()}`;
    return new PiecesBody(multipart(body, boundary), `multipart/form-data; boundary=${boundary}`);
  }
  if (!isSource(body)) throw notBody(body);
  if ("locked" in body && body.locked) {
    throw invalidArgument("BODY", "body is a stream that is locked: somebody else reads it already");
  }
  return new SourceBody(getRunningLoop(), iterate(body));
}

/** What is there: bytes, and blobs that are read when they are sent. */
class PiecesBody {
  readonly body: Buffer | AsyncIterable<Uint8Array>;
  readonly contentType: string | undefined;
  readonly length: number | undefined;
  readonly replayable = true;
  failure: { readonly error: unknown } | undefined = undefined;
  readonly #pieces: readonly Piece[];

  constructor(pieces: readonly Piece[], contentType: string | undefined) {
    this.#pieces = pieces;
    this.contentType = contentType;
    this.length = lengthOf(pieces);
    const [only] = pieces;
    if (this.length === 0) this.body = EMPTY;
    else this.body = pieces.length === 1 && Buffer.isBuffer(only) ? only : this;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    this.failure = undefined;
    try {
      for (const piece of this.#pieces) {
        if (Buffer.isBuffer(piece)) yield piece;
        else yield* piece.stream();
      }
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }

  // undici leaves what it has begun to iterate, and what a file is read by with it
  close(): undefined {}
}

type Piece = Buffer | BlobLike;

const EMPTY = Buffer.alloc(0);

/** What is needed of a blob; other libraries have classes of their own. */
interface BlobLike {
  readonly size: number;
  readonly type: string;
  readonly name?: unknown;
  stream(): AsyncIterable<Uint8Array>;
}

function lengthOf(pieces: readonly Piece[]): number | undefined {
  let length = 0;
  for (const piece of pieces) length += Buffer.isBuffer(piece) ? piece.length : piece.size;
  return Number.isSafeInteger(length) ? length : undefined;
}

/**
 * What comes over time. One task of the loop takes it, an item whenever undici asks for one: so the steps of a generator run inside
 * the loop, in the context of who made the request, and a time limit that is set in one of them holds in the next.
 *
 *   not begun ──asked──> running ⇄ waiting for being asked ──> over
 *       └────────────────── close() ─────────┴────────────────> over
 */
class SourceBody {
  readonly contentType = undefined;
  readonly length = undefined;
  readonly replayable = false;
  failure: { readonly error: unknown } | undefined = undefined;
  readonly #loop: EventLoop;
  readonly #context: Context;
  readonly #iteration: Iteration<BodyChunk>;
  #task: Task<void> | undefined;
  #asked: Asked | undefined;
  #wanted: Future<void> | undefined;
  #over = false;
  #complete = false;
  #closing: Future<void> | undefined;

  constructor(loop: EventLoop, iteration: Iteration<BodyChunk>) {
    this.#loop = loop;
    this.#context = copyContext();
    this.#iteration = iteration;
  }

  get body(): AsyncIterable<Uint8Array> {
    return this;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: () => new Promise((resolve, reject) => this.#ask({ resolve, reject })),
      return: async () => {
        await this.close();
        return ENDED;
      },
    };
  }

  close(): Future<void> | undefined {
    if (this.#over) return this.#closing;
    this.#over = true;
    this.#asked?.reject(requestOver());
    this.#asked = undefined;
    if (this.#loop.closed) return undefined;
    this.#closing = this.#loop.createTask(this.#close(), { name: "closing the body of a request" });
    return this.#closing;
  }

  *#close(): Coroutine<void> {
    const task = this.#task;
    if (task === undefined) {
      yield* within(this.#iteration, function* () {});
      return;
    }
    task.cancel();
    yield* wait([task]);
    if (!task.cancelled) task.result();
  }

  #ask(asked: Asked): void {
    if (this.#over || this.#loop.closed) {
      if (this.#complete) asked.resolve(ENDED);
      else asked.reject(this.failure === undefined ? requestOver() : this.failure.error);
      return;
    }
    this.#asked = asked;
    const wanted = this.#wanted;
    if (this.#task === undefined) {
      const options = { name: "sending the body of a request", context: this.#context };
      this.#task = this.#loop.createTask(this.#run(), options);
    } else if (wanted !== undefined) {
      this.#wanted = undefined;
      this.#loop.callFromHost(wake, wanted);
    }
  }

  *#run(): Coroutine<void> {
    const self = this;
    try {
      yield* within(this.#iteration, (it) => self.#send(it));
      this.#complete = true;
      this.#settle()?.resolve(ENDED);
    } catch (error) {
      const asked = this.#settle();
      // else it was closed, and this is what closing it has thrown
      if (asked === undefined) throw error;
      const cancelled = isCancelled(error);
      if (!cancelled) this.failure = { error };
      asked.reject(cancelled ? requestOver() : error);
      if (cancelled) throw error;
    }
  }

  *#send(it: Cursor<BodyChunk>): Coroutine<void> {
    while (yield* it.next()) {
      const value = bytesOf(it.value);
      const asked = this.#asked;
      this.#asked = undefined;
      asked?.resolve({ done: false, value });
      // undici may have asked for the next one in the meantime
      while (this.#asked === undefined) yield* (this.#wanted = this.#loop.createFuture<void>());
    }
  }

  #settle(): Asked | undefined {
    this.#over = true;
    const asked = this.#asked;
    this.#asked = undefined;
    return asked;
  }
}

interface Asked {
  resolve(answer: IteratorResult<Uint8Array, undefined>): void;
  reject(error: unknown): void;
}

const ENDED = { done: true, value: undefined } as const;

function wake(future: Future<void>): void {
  if (!future.done) future.setResult();
}

/**
 * The pieces of a form, as the standard has them: quotes and line breaks in names are escaped, so that nothing ends the header they
 * stand in; everything else is UTF-8.
 *
 * @see https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
 */
function multipart(form: FormData, boundary: string): Piece[] {
  const pieces: Piece[] = [];
  let text = "";
  for (const [name, value] of form as unknown as Iterable<[string, string | BlobLike]>) {
    text += `--${boundary}\r\ncontent-disposition: form-data; name="${escaped(withLineBreaks(name))}"`;
    if (typeof value === "string") {
      text += `\r\n\r\n${withLineBreaks(value)}\r\n`;
      continue;
    }
    const filename = typeof value.name === "string" ? value.name : "blob";
    text += `; filename="${escaped(filename)}"\r\ncontent-type: ${typeOf(value)}\r\n\r\n`;
    pieces.push(bytesOf(text), value);
    text = "\r\n";
  }
  pieces.push(bytesOf(`${text}--${boundary}--\r\n`));
  return pieces;
}

function escaped(text: string): string {
  return text.replaceAll("\n", "%0A").replaceAll("\r", "%0D").replaceAll('"', "%22");
}

function withLineBreaks(text: string): string {
  return text.replace(/\r\n|\r|\n/g, "\r\n");
}

// The platform's blobs have no other types; another library's might.
function typeOf({ type }: BlobLike): string {
  return /^[\x20-\x7e]+$/.test(type) ? type : "application/octet-stream";
}

function bytesOf(chunk: unknown): Buffer {
  const bytes = typeof chunk === "string" ? Buffer.from(chunk, "utf8") : tryBytesOf(chunk);
  if (bytes === undefined) {
    throw invalidArgument("BODY", `the pieces of a body are strings or bytes, not ${kindOf(chunk)}`);
  }
  return bytes;
}

function tryBytesOf(value: unknown): Buffer | undefined {
  if (Buffer.isBuffer(value)) return value;
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer ? Buffer.from(value) : undefined;
}

function stringified(value: unknown): string {
  const text: string | undefined = JSON.stringify(value);
  if (text !== undefined) return text;
  throw invalidArgument("JSON", `json is what JSON has no value for: ${kindOf(value)}`);
}

function isBlob(value: object): value is BlobLike {
  const { [Symbol.toStringTag]: tag, stream } = value as { [Symbol.toStringTag]?: unknown; stream?: unknown };
  return (tag === "Blob" || tag === "File") && typeof stream === "function";
}

// undici's own is not the global one.
function isFormData(value: object): value is FormData {
  const { [Symbol.toStringTag]: tag } = value as { [Symbol.toStringTag]?: unknown };
  return tag === "FormData" && Symbol.iterator in value;
}

function isSource(value: unknown): value is Source<BodyChunk> {
  if (typeof value !== "object" || value === null || isCoroutine(value)) return false;
  return makeCursor in value || Symbol.asyncIterator in value || Symbol.iterator in value || "getReader" in value;
}

function moreThanOne(): TypeError {
  return invalidArgument("BODY", "a request has one body: give either `body` or `json` or `form`");
}

function notBody(value: unknown): TypeError {
  return invalidArgument(
    "BODY",
    `body takes a string, bytes, a Blob, URLSearchParams, FormData, or a stream or generator of pieces, not ${kindOf(value)}${
      typeof value === "object" ? "; JSON is `{ json: value }`, a form `{ form: fields }`" : ""
    }`,
  );
}

function kindOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return typeof value;
  if (isCoroutine(value)) return "a coroutine: make a generator of it by asyncGenerator(function* () { yield bytes })";
  return `an object of ${value.constructor?.name ?? "no class"}`;
}

function requestOver(): CorioError {
  return new CorioError("ERR_CORIO_BODY_CLOSED", "the request was over before its body was sent");
}
