import type { EventLoop, Source } from "corio";
import { getRunningLoop, isCoroutine, makeCursor } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import {
  type HeaderList,
  type HeadersInput,
  headerList,
  headersOf,
  listOf,
  NO_HEADERS,
  valueIn,
} from "./header-list.js";
import { PlatformResponse } from "./platform.js";
import { streamOf } from "./source-stream.js";

type WebResponse = globalThis.Response;

/**
 * What a response can be made of: what the platform's takes (a text, bytes, a `Blob`, `URLSearchParams`, a `FormData`, a
 * `ReadableStream`), and pieces that come over time: an asynchronous generator, a `Queue`, a `StreamReader`, a Node `Readable`, any
 * iterable of strings and bytes.
 */
export type ResponseBody = ConstructorParameters<typeof globalThis.Response>[0] | Source<Uint8Array | string>;

/** The rest of a response; as the platform has it. */
export interface ResponseInit {
  /** From 200 to 599; default 200. */
  readonly status?: number | undefined;
  /** What stands after the status; default nothing, for which HTTP/1 sends the usual words. */
  readonly statusText?: string | undefined;
  readonly headers?: HeadersInput | undefined;
}

/**
 * The answer to a request. It is the platform's `Response` in all that it does, and `instanceof` it; but made to be sent, which
 * takes a tenth of the time, and its body may be a source of coroutines.
 *
 * A source is read by the request's task while it is sent, as fast as the client takes it: it may wait, it is closed when the client
 * goes away, and it can be read only once. Bytes are not copied: leave them as they are until they are sent.
 *
 * @throws a `RangeError` for a status that is none; a `TypeError` for headers that cannot be sent, for a body that is none, and for
 * one that the status does not allow (204, 205, 304)
 * @example
 * const ticks = asyncGenerator(function* () {
 *   for (let i = 0; i < 3; i++) {
 *     yield* sleep(1_000);
 *     yield `tick ${i}\n`;
 *   }
 * });
 * const response = new Response(ticks(), { headers: { "content-type": "text/plain" } });
 * @see https://developer.mozilla.org/docs/Web/API/Response
 */
export class Response {
  /** @internal */
  _status: number;
  /** @internal */
  _statusText: string;
  /** @internal The headers, unless somebody has asked for `headers`, which then has them. */
  _list: HeaderList;
  /** @internal */
  _headers: Headers | undefined;
  /** @internal The body as it was given. */
  _body: unknown;
  /** @internal Whether it was taken to be sent. */
  _taken = false;
  /** @internal The loop of a source. */
  _loop: EventLoop | undefined;
  /** @internal What has the body, once somebody has asked for more than sending it. */
  _web: WebResponse | undefined;
  /** @internal */
  _type: WebResponse["type"];

  constructor(body?: ResponseBody | null, init?: ResponseInit) {
    this._headers = undefined;
    this._loop = undefined;
    this._web = undefined;
    this._type = "default";
    if (init === undefined || init === null) {
      this._status = 200;
      this._statusText = "";
      this._list = NO_HEADERS;
    } else {
      const { status, statusText, headers } = init;
      this._status = status === undefined ? 200 : checkStatus(status);
      this._statusText = statusText === undefined ? "" : checkStatusText(statusText);
      this._list = headers === undefined ? NO_HEADERS : headerList(headers);
    }
    if (typeof body === "string") {
      this._body = body;
      this._list = withContentType(this._list, TEXT);
    } else if (body === undefined || body === null) this._body = null;
    else this._body = this._other(body as object);
    if (this._body !== null && hasNoBody(this._status)) {
      throw invalidArgument("BODY", `an answer with status ${this._status} has no body: give null`);
    }
  }

  /**
   * A response whose body is JSON.
   *
   * @throws a `TypeError` for what has no JSON
   */
  static json(data: unknown, init?: ResponseInit): Response {
    const text: string | undefined = JSON.stringify(data);
    if (text === undefined)
      throw invalidArgument("JSON", `Response.json(data) takes what JSON has, not ${typeof data}`);
    const response = new Response(null, init);
    if (hasNoBody(response._status)) {
      throw invalidArgument("BODY", `an answer with status ${response._status} has no body: it cannot have JSON`);
    }
    response._body = text;
    response._list = withContentType(response._list, "application/json");
    return response;
  }

  /**
   * A response that sends the client elsewhere.
   *
   * @param url absolute, or a path that begins with `/`
   * @param status 301, 302, 303, 307 or 308; default 302
   */
  static redirect(url: string | URL, status = 302): Response {
    if (![301, 302, 303, 307, 308].includes(status)) {
      throw Object.assign(new RangeError(`${status} is no status of a redirect: 301, 302, 303, 307 or 308`), {
        code: "ERR_CORIO_STATUS",
      });
    }
    return new Response(null, { status, headers: { location: locationOf(String(url)) } });
  }

  /** The platform's network error. A server cannot send it. */
  static error(): Response {
    const response = new Response();
    response._status = 0;
    response._type = "error";
    return response;
  }

  // What the platform has made is one, too: a program that uses ours meets both.
  static [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: a class below is no such family
    if (this === Response) return value instanceof PlatformResponse;
    return Function.prototype[Symbol.hasInstance].call(this, value);
  }

  get status(): number {
    return this._status;
  }

  /** Whether the status is from 200 to 299. */
  get ok(): boolean {
    return this._status >= 200 && this._status <= 299;
  }

  get statusText(): string {
    return this._statusText;
  }

  get headers(): Headers {
    this._headers ??= headersOf(this._list);
    return this._headers;
  }

  get type(): WebResponse["type"] {
    return this._type;
  }

  /** Always empty: it was not fetched. */
  get url(): string {
    return "";
  }

  /** Always false: it was not fetched. */
  get redirected(): boolean {
    return false;
  }

  get body(): WebResponse["body"] {
    return this._body === null ? null : this._platform().body;
  }

  /** Whether the body was read, or sent. */
  get bodyUsed(): boolean {
    return this._taken || this._web?.bodyUsed === true;
  }

  text(): Promise<string> {
    return this._platform().text();
  }

  json(): ReturnType<WebResponse["json"]> {
    return this._platform().json();
  }

  arrayBuffer(): ReturnType<WebResponse["arrayBuffer"]> {
    return this._platform().arrayBuffer();
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await this._platform().arrayBuffer());
  }

  blob(): ReturnType<WebResponse["blob"]> {
    return this._platform().blob();
  }

  formData(): ReturnType<WebResponse["formData"]> {
    return this._platform().formData();
  }

  /**
   * A second one with the same body. Of one that comes over time the pieces are kept until both have read them.
   *
   * @throws a `TypeError` if the body was read already
   */
  clone(): Response {
    if (this.bodyUsed) throw bodyUsed();
    const copy = new Response();
    copy._status = this._status;
    copy._statusText = this._statusText;
    copy._type = this._type;
    copy._list = this._headerList();
    if (this._web === undefined && (isWhole(this._body) || this._body === null)) copy._body = this._body;
    else {
      copy._web = this._platform().clone();
      copy._body = copy._web.body;
    }
    return copy;
  }

  /** @internal The headers to be sent. */
  _headerList(): HeaderList {
    return this._headers === undefined ? this._list : listOf(this._headers);
  }

  /**
   * @internal Takes the body, to be sent.
   *
   * @throws a `TypeError` if it was read already, or is being read
   */
  _take(): unknown {
    const web = this._web;
    if (this._taken || (web !== undefined && (web.bodyUsed || web.body?.locked === true))) throw bodyUsed();
    // a body that is there can be sent again; who keeps a response and answers with it twice, may
    const body = web === undefined ? this._body : web.body;
    if (body !== null && !isWhole(body)) this._taken = true;
    return body;
  }

  // A body that is neither a string nor nothing.
  private _other(body: object): unknown {
    if (typeof body !== "object") return this._text(String(body));
    if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) return body;
    if (body instanceof URLSearchParams) {
      this._list = withContentType(this._list, "application/x-www-form-urlencoded;charset=UTF-8");
      return body.toString();
    }
    if (body instanceof Blob) {
      if (body.type !== "") this._list = withContentType(this._list, body.type);
      return body;
    }
    if (body instanceof FormData) {
      const web = new PlatformResponse(body);
      this._list = withContentType(this._list, web.headers.get("content-type") as string);
      this._web = web;
      return web.body;
    }
    if (body instanceof ReadableStream) {
      if (body.locked) throw bodyUsed();
      return body;
    }
    if (!isSource(body)) throw notBody(body);
    this._loop = runningLoop();
    return body;
  }

  private _text(text: string): string {
    this._list = withContentType(this._list, TEXT);
    return text;
  }

  // From here on the platform's has the body.
  private _platform(): WebResponse {
    if (this._web !== undefined) return this._web;
    if (this._taken) throw bodyUsed();
    const type =
      (this._headers === undefined ? valueIn(this._list, "content-type") : this._headers.get("content-type")) ??
      undefined;
    const body = this._loop === undefined ? this._body : streamOf(this._body as Source<unknown>, this._loop);
    this._web = new PlatformResponse(body as ConstructorParameters<typeof PlatformResponse>[0], {
      headers: type === undefined ? {} : { "content-type": type },
    });
    return this._web;
  }

  /** @internal */
  [Symbol.for("nodejs.util.inspect.custom")](
    _depth: number,
    _options: object,
    inspect: (value: unknown, options: object) => string,
  ): string {
    const { status, statusText, headers, bodyUsed } = this;
    return `Response ${inspect({ status, statusText, headers, bodyUsed }, _options)}`;
  }
}

Object.setPrototypeOf(Response.prototype, PlatformResponse.prototype);

/** @internal The type of a text. */
export const TEXT = "text/plain;charset=UTF-8";
const ONLY_TEXT: HeaderList = ["content-type", TEXT];

// For `instanceof`, of which the class says something else.
const Ours = function Ours() {} as unknown as new () => Response;
Ours.prototype = Response.prototype;

/** @internal Whether it is one of ours, which the platform's are `instanceof`, too. */
export function isOurs(value: unknown): value is Response {
  return value instanceof Ours;
}

/** Whether a body is there as a whole: nothing has to be waited for, and it can be sent again. */
function isWhole(body: unknown): body is string | ArrayBufferView | ArrayBuffer | Blob {
  return typeof body === "string" || ArrayBuffer.isView(body) || body instanceof ArrayBuffer || body instanceof Blob;
}

/** Whether an answer with this status has no body. */
function hasNoBody(status: number): boolean {
  return status === 204 || status === 304 || status === 205 || status === 101;
}

function withContentType(list: HeaderList, type: string): HeaderList {
  if (list.length === 0) return type === TEXT ? ONLY_TEXT : ["content-type", type];
  return valueIn(list, "content-type") === undefined ? [...list, "content-type", type] : list;
}

/** @internal */
export function checkStatus(status: number): number {
  if (Number.isInteger(status) && status >= 200 && status <= 599) return status;
  throw Object.assign(new RangeError(`the status of a response is from 200 to 599, not ${String(status)}`), {
    code: "ERR_CORIO_STATUS",
  });
}

// RFC 9112, section 4: reason-phrase
const NO_REASON = /[^\t\x20-\x7e\x80-\xff]/;

/** @internal */
export function checkStatusText(text: string): string {
  if (!NO_REASON.test(text)) return text;
  throw invalidArgument("STATUS_TEXT", "statusText has a character that cannot stand after a status");
}

const HERE = "http://here.invalid";

function locationOf(url: string): string {
  const parsed = url.startsWith("/")
    ? URL.canParse(url, HERE) && new URL(url, HERE)
    : URL.canParse(url) && new URL(url);
  if (parsed === false || (url.startsWith("/") && parsed.origin !== HERE)) {
    throw invalidArgument(
      "URL",
      `Response.redirect(url) takes an absolute URL, or a path: "/login", not ${JSON.stringify(url)}`,
    );
  }
  return parsed.origin === HERE ? parsed.href.slice(HERE.length) : parsed.href;
}

function isSource(value: object): boolean {
  if (isCoroutine(value)) return false;
  return makeCursor in value || Symbol.asyncIterator in value || Symbol.iterator in value || "getReader" in value;
}

function runningLoop(): EventLoop | undefined {
  try {
    return getRunningLoop();
  } catch {
    // without one it is the platform's to read it, if it can
    return undefined;
  }
}

function bodyUsed(): TypeError {
  return invalidArgument(
    "BODY_USED",
    "the body of this response was read already, or is being read: it can be sent or read once",
  );
}

function notBody(value: object): TypeError {
  const { name = "no class" } = (value as { constructor?: { name?: string } }).constructor ?? {};
  return invalidArgument(
    "BODY",
    isCoroutine(value)
      ? "new Response(body) got a coroutine: make a generator of it by asyncGenerator(function* () { yield bytes })"
      : `new Response(body) takes a string, bytes, a Blob, URLSearchParams, FormData, or a stream or generator of pieces, not an object of ${name}; for JSON write Response.json(value)`,
  );
}
