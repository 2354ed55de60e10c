import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { Readable } from "node:stream";
import { CorioError, type EventLoop } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { type BodyHost, type BodyLimits, IncomingBody } from "./incoming-body.js";
import { PlatformHeaders, PlatformRequest, PlatformResponse } from "./platform.js";
import type { RequestScope } from "./request-scope.js";
import { requestUrl } from "./request-url.js";

type WebRequest = globalThis.Request;

/** @internal What a request needs of the server that it has come to. */
export interface RequestHost extends BodyHost {
  readonly loop: EventLoop;
  readonly limits: BodyLimits;
  readonly isHttp2: boolean;
  /** `http` or `https`. */
  readonly scheme: string;
  /** For a client that names none. */
  readonly authority: string;
}

/**
 * @internal The platform's `Request`, over what Node has parsed. Nothing is made before it is asked for.
 *
 * `new Request(thisOne)` of the platform cannot know what is in it: `request.clone()` is for that, or `overrideGlobalObjects`.
 */
export class ServerRequest {
  /** @internal What else runs for it, once an adapter has asked. */
  _scope: RequestScope | undefined;
  readonly #incoming: IncomingMessage | Http2ServerRequest;
  readonly #host: RequestHost;
  #url: string | undefined;
  #headers: Headers | undefined;
  #controller: AbortController | undefined;
  #abort: { readonly reason: unknown } | undefined;
  #body: IncomingBody | undefined;
  #stream: WebRequest["body"] | undefined;
  #used = false;
  #over = false;

  constructor(incoming: IncomingMessage | Http2ServerRequest, host: RequestHost) {
    this._scope = undefined;
    this.#incoming = incoming;
    this.#host = host;
    this.#url = undefined;
    this.#headers = undefined;
    this.#controller = undefined;
    this.#abort = undefined;
    this.#body = undefined;
    this.#stream = undefined;
  }

  get method(): string {
    return this.#incoming.method as string;
  }

  get url(): string {
    if (this.#url === undefined) {
      const incoming = this.#incoming;
      const { scheme, authority, isHttp2 } = this.#host;
      this.#url = requestUrl(scheme, hostOf(incoming, isHttp2) ?? authority, incoming.url as string);
    }
    return this.#url;
  }

  get headers(): Headers {
    if (this.#headers === undefined) {
      const headers = (this.#headers = new PlatformHeaders());
      const { rawHeaders } = this.#incoming;
      for (let i = 0; i < rawHeaders.length; i += 2) {
        const name = rawHeaders[i] as string;
        if (name.charCodeAt(0) !== COLON) headers.append(name, rawHeaders[i + 1] as string);
      }
    }
    return this.#headers;
  }

  /** Aborted when the client goes away, and when the request's task is cancelled for another reason. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abort !== undefined) this.#controller.abort(this.#abort.reason);
    }
    return this.#controller.signal;
  }

  get body(): WebRequest["body"] {
    if (this.#stream === undefined) {
      this.#stream =
        hasBody(this.#incoming, this.#host.isHttp2) && !this.#used
          ? (this.#source().stream() as WebRequest["body"])
          : null;
    }
    return this.#stream;
  }

  get bodyUsed(): boolean {
    const stream = this.#stream;
    return this.#used || (stream !== undefined && stream !== null && Readable.isDisturbed(stream as never));
  }

  async text(): Promise<string> {
    const text = (await this.#whole()).toString("utf8");
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text()) as unknown;
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    const { buffer, byteOffset, byteLength } = await this.#whole();
    // Node's small buffers share one
    return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await this.arrayBuffer());
  }

  async blob(): Promise<Blob> {
    return new Blob([await this.arrayBuffer()], { type: this.headers.get("content-type") ?? "" });
  }

  async formData(): Promise<FormData> {
    const type = this.headers.get("content-type") ?? "";
    return new PlatformResponse(await this.arrayBuffer(), { headers: { "content-type": type } }).formData();
  }

  /**
   * The platform's request with the same content, which is read from both.
   *
   * @throws a `TypeError` if the body was read already
   */
  clone(): WebRequest {
    this.#checkUnused();
    const [ours, theirs] = this.body?.tee() ?? [null, null];
    this.#stream = ours;
    return this.#platform(theirs);
  }

  /** @internal */
  get _loop(): EventLoop {
    return this.#host.loop;
  }

  /** @internal */
  get _remoteAddress(): string | undefined {
    return this.#incoming.socket.remoteAddress;
  }

  /** @internal The platform's request, which has the body from now on. */
  _platform(): WebRequest {
    this.#checkUnused();
    const { body } = this;
    this.#used = body !== null;
    return this.#platform(body);
  }

  /** @internal */
  _cancel(reason: unknown): void {
    if (this.#abort !== undefined) return;
    this.#abort = { reason };
    this.#controller?.abort(reason);
    this.#body?.abandon(reason);
    this._scope?.cancel(reason);
  }

  /** @internal How many bytes of the body are still to be received: 0 if all have come, `undefined` if only the client knows. */
  get _remaining(): number | undefined {
    if (this.#incoming.complete || !hasBody(this.#incoming, this.#host.isHttp2)) return 0;
    return this.#body === undefined ? lengthOf(this.#incoming) : this.#body.remaining;
  }

  /** @internal The request is over: what is still to come of its body, nobody reads. */
  _end(): void {
    this.#over = true;
    if (this.#body === undefined) return;
    if (this.#body.isBeingRead) this.#body.abandon(requestOver());
    // what has come of it, and was begun to be read, would hold back what comes behind it
    if (this.#incoming.complete && !this.#incoming.readableEnded) this.#incoming.resume();
  }

  get cache(): WebRequest["cache"] {
    return "default";
  }

  get credentials(): WebRequest["credentials"] {
    return "same-origin";
  }

  get destination(): WebRequest["destination"] {
    return "";
  }

  get duplex(): "half" {
    return "half";
  }

  get integrity(): string {
    return "";
  }

  get keepalive(): boolean {
    return false;
  }

  get mode(): WebRequest["mode"] {
    return "cors";
  }

  get redirect(): WebRequest["redirect"] {
    return "follow";
  }

  get referrer(): string {
    return "about:client";
  }

  get referrerPolicy(): WebRequest["referrerPolicy"] {
    return "";
  }

  get isReloadNavigation(): boolean {
    return false;
  }

  get isHistoryNavigation(): boolean {
    return false;
  }

  // What the platform does with an object that it takes for a URL.
  [Symbol.toPrimitive](): never {
    throw invalidArgument(
      "REQUEST",
      "new Request(request) cannot copy a request of this server: write request.clone(), or new Request(request.url, request)",
    );
  }

  toString(): never {
    return this[Symbol.toPrimitive]();
  }

  /** @internal */
  [Symbol.for("nodejs.util.inspect.custom")](_depth: number, options: object, inspect: Inspect): string {
    const { method, url, headers, bodyUsed } = this;
    return `Request ${inspect({ method, url, headers, bodyUsed }, options)}`;
  }

  #source(): IncomingBody {
    const { loop, limits } = this.#host;
    const incoming = this.#incoming;
    if (this.#over) throw requestOver();
    this.#body ??= new IncomingBody(incoming, loop, limits, lengthOf(incoming), this.#host);
    return this.#body;
  }

  async #whole(): Promise<Buffer> {
    this.#checkUnused();
    if (!hasBody(this.#incoming, this.#host.isHttp2)) return EMPTY;
    this.#used = true;
    const stream = this.#stream;
    if (stream === undefined || stream === null) return this.#source().whole();
    return Buffer.from(await new PlatformResponse(stream).arrayBuffer());
  }

  #platform(body: WebRequest["body"]): WebRequest {
    const { url, method, headers, signal } = this;
    return new PlatformRequest(url, { method, headers, signal, ...(body === null ? {} : { body, duplex: "half" }) });
  }

  #checkUnused(): void {
    if (this.bodyUsed || this.#stream?.locked === true) {
      throw invalidArgument(
        "BODY_USED",
        "the body of this request was read already, or is being read: keep what it gave",
      );
    }
  }
}

Object.setPrototypeOf(ServerRequest.prototype, PlatformRequest.prototype);

type Inspect = (value: unknown, options: object) => string;

const COLON = 58;
const EMPTY = Buffer.alloc(0);

/** @internal Which host a request names; `undefined` if none. */
export function hostOf(incoming: IncomingMessage | Http2ServerRequest, isHttp2: boolean): string | undefined {
  return isHttp2 ? (incoming as Http2ServerRequest).authority : incoming.headers.host;
}

/** @internal Whether the client sends a body, be it an empty one. */
function hasBody(incoming: IncomingMessage | Http2ServerRequest, isHttp2: boolean): boolean {
  if (isHttp2) return !(incoming as Http2ServerRequest).stream.endAfterHeaders;
  const { headers } = incoming;
  const length = headers["content-length"];
  return headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0");
}

function lengthOf(incoming: IncomingMessage | Http2ServerRequest): number | undefined {
  const { "content-length": length, "transfer-encoding": encoding } = incoming.headers;
  return length === undefined || encoding !== undefined ? undefined : Number(length);
}

function requestOver(): CorioError {
  return new CorioError(
    "ERR_CORIO_BODY_CLOSED",
    "the request is over, and nobody receives its body any more: read it before the handler ends",
  );
}
