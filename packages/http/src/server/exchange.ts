import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { Duplex } from "node:stream";
import {
  type Context,
  CorioError,
  type Coroutine,
  type EventLoop,
  type Future,
  isCancelled,
  isCoroutine,
  type Source,
  type Task,
  TimeoutError,
  type TimerHandle,
  until,
} from "corio";
import { HttpError } from "../errors/http-error.js";
import { type HeaderList, headerList, listOf, NO_HEADERS } from "../messages/header-list.js";
import { PlatformResponse } from "../messages/platform.js";
import { Response } from "../messages/response.js";
import { type RequestHost, ServerRequest } from "../messages/server-request.js";
import { UpgradeResponse } from "../messages/upgrade-response.js";
import { Answer, type AnswerHead, type Outgoing } from "./answer.js";
import { clientGone } from "./client-gone.js";
import type { Connection } from "./connection.js";
import type { RequestHandler, ServeSettings } from "./serve-options.js";

/** @internal What Node has of a request. */
export type Incoming = IncomingMessage | Http2ServerRequest;

/** @internal What all requests of a server share. */
export interface Service {
  readonly loop: EventLoop;
  readonly handler: RequestHandler;
  readonly settings: ServeSettings;
  /** The context of who serves; each request gets a copy. */
  readonly context: Context;
  readonly scheme: string;
  /** The host of a request that names none. */
  readonly authority: string;
  /** Whether the server shuts down. */
  readonly isClosing: boolean;
  /** The handler of a request has ended. */
  _handled(exchange: Exchange): void;
  /** All is over that a request has brought. */
  _over(exchange: Exchange): void;
}

/** @internal A connection that a request asks to upgrade, outside of Node's hands. */
export interface UpgradeRequest {
  readonly socket: Duplex;
  readonly head: Buffer;
}

// So much of a request that nobody has read is read to keep the connection; for more it is closed.
const WORTH_DRAINING = 64 * 1024;
// How long a connection that is to be closed goes on reading, in milliseconds: if it were closed with something unread, the
// client would lose the answer with it.
const LINGER = 1_000;

/**
 * @internal A request and its answer: a task runs the handler, then sends what that returns.
 *
 *   waits for its turn ──start()──> handled ──(task ends)──> handled and … ──┐
 *         └──(client gone)──> over                 (Node has closed it) ─────┴──> over
 */
export class Exchange implements RequestHost {
  readonly loop: EventLoop;
  readonly request: ServerRequest;
  readonly connection: Connection;
  readonly #service: Service;
  readonly #incoming: Incoming;
  readonly #outgoing: Outgoing;
  readonly #answer: Answer;
  readonly #isHttp2: boolean;
  readonly #upgrade: UpgradeRequest | undefined;
  #expectsContinue: boolean;
  #task: Future<void> | undefined;
  #begun = false;
  #handled = false;
  #closed = false;
  #gone: CorioError | undefined;
  #timeUp = false;
  #timer: TimerHandle | undefined;

  constructor(
    service: Service,
    connection: Connection,
    incoming: Incoming,
    outgoing: Outgoing,
    expectsContinue: boolean,
    upgrade: UpgradeRequest | undefined,
  ) {
    const { loop, settings } = service;
    this.loop = loop;
    this.connection = connection;
    this.#service = service;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#isHttp2 = incoming.httpVersionMajor === 2;
    this.#expectsContinue = expectsContinue;
    this.#upgrade = upgrade;
    this.#answer = new Answer(loop, outgoing, this.#isHttp2, incoming.method === "HEAD", settings.writeTimeout);
    this.request = new ServerRequest(incoming, this);
    connection.exchanges.add(this);
    outgoing.on("close", this.#onClose);
  }

  get limits(): ServeSettings {
    return this.#service.settings;
  }

  get scheme(): string {
    return this.#service.scheme;
  }

  get authority(): string {
    return this.#service.authority;
  }

  /** Runs the handler. */
  start(): void {
    const { loop, context, settings } = this.#service;
    const { method, url = "/" } = this.#incoming;
    const query = url.indexOf("?");
    const name = `${method} ${query < 0 ? url : url.slice(0, query)}`;
    if (settings.handlerTimeout !== null) this.#timer = loop.callLater(settings.handlerTimeout, this.#onTimeUp);
    this.#task = loop.createTask(this.#run(), { name, context: context.copy(), eagerStart: true });
  }

  /** Answers without a handler: the server has no room for it, or it is not to be served. */
  refuse(status: number, headers: HeaderList = NO_HEADERS): void {
    this.#handled = true;
    this.#fail(new HttpError(status), headers);
    // the answer to what broke the rules is the last of its connection
    if (this.#closed) this.#service._over(this);
  }

  /** Cancels the request's task. */
  cancel(reason: unknown): void {
    if (this.#handled) return;
    this.#task?.cancel(reason);
    this.request._cancel(reason);
    // cancelled before its first step, a coroutine runs no `finally`
    if (!this.#begun) this.#task?.addDoneCallback(() => this.#end());
  }

  /** The connection is to be cut, whatever is under way. */
  destroy(): void {
    this.#outgoing.destroy();
  }

  wantsBody(): void {
    if (!this.#expectsContinue) return;
    this.#expectsContinue = false;
    if (!this.#answer.hasBegun) (this.#outgoing as ServerResponse).writeContinue();
  }

  clientGone(): CorioError {
    if (this.#gone === undefined) {
      this.#gone = clientGone();
      if (this.#isHttp2) this.connection.requestTakenBack();
      this.cancel(this.#gone);
    }
    return this.#gone;
  }

  *#run(): Coroutine<void> {
    this.#begun = true;
    try {
      const made = this.#service.handler(this.request as unknown as Request);
      const response: unknown = isCoroutine(made)
        ? yield* made
        : typeof (made as PromiseLike<Response> | undefined)?.then === "function"
          ? yield* until(made as PromiseLike<Response>)
          : made;
      const rest = this.#send(response);
      if (rest !== undefined) yield* rest;
    } catch (error) {
      if (isCancelled(error) && this.#wasCancelled) {
        this.#cancelled();
        throw error;
      }
      this.#failed(error);
    } finally {
      this.#end();
    }
  }

  #send(response: unknown): Coroutine<void> | undefined {
    if (response instanceof Response && Object.hasOwn(response, "_list")) return this.#sendOurs(response as Response);
    return this.#sendForeign(response);
  }

  #sendOurs(response: Response): Coroutine<void> | undefined {
    if (response instanceof UpgradeResponse) return this.#takeOver(response);
    const { _status: status, _statusText: statusText } = response;
    if (status === 0) throw notResponse(response);
    const head = { status, statusText, headers: response._headerList() };
    const body = response._take();
    if (body === null || typeof body === "string") return this.#sendWhole(head, body);
    if (ArrayBuffer.isView(body)) return this.#sendWhole(head, new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
    if (body instanceof ArrayBuffer) return this.#sendWhole(head, new Uint8Array(body));
    if (body instanceof Blob) return this.#sendStream(head, body.stream(), body.size);
    return this.#sendStream(head, body as Source<unknown>, undefined);
  }

  // The platform's, or one that another library has made.
  #sendForeign(response: unknown): Coroutine<void> | undefined {
    if (!isResponse(response)) throw notResponse(response);
    const { status, statusText, body } = response;
    if (response.bodyUsed || body?.locked === true) throw bodyUsed();
    let headers = response.headers instanceof Headers ? listOf(response.headers) : headerList(response.headers as never);
    // what `fetch` has decoded is sent as it is now
    if (body !== null && response.url !== "" && response instanceof PlatformResponse) headers = withoutEncoding(headers);
    const head = { status, statusText, headers };
    return body === null ? this.#sendWhole(head, null) : this.#sendStream(head, body, undefined);
  }

  #sendWhole(head: AnswerHead, body: string | Uint8Array | null): Coroutine<void> | undefined {
    const answer = this.#answer;
    const remaining = this.request._remaining;
    answer.closes = this.#service.isClosing;
    if (remaining === 0) return answer.whole(head, body);
    if (remaining !== undefined && remaining <= WORTH_DRAINING) {
      const rest = answer.whole(head, body);
      this.#drain();
      return rest;
    }
    answer.closes = true;
    return answer.whole(head, body, this.#expectsContinue ? undefined : () => this.#linger());
  }

  *#sendStream(head: AnswerHead, source: Source<unknown>, length: number | undefined): Coroutine<void> {
    this.#answer.closes = this.#service.isClosing;
    yield* this.#answer.stream(head, source, length);
    const remaining = this.request._remaining;
    if (remaining === 0) return;
    if (remaining !== undefined && remaining <= WORTH_DRAINING) this.#drain();
    else if (!this.#isHttp2) (this.#outgoing as ServerResponse).req.socket.destroySoon();
  }

  // What is left of the request is read, and dropped.
  #drain(): void {
    this.request._end();
    if (!this.#incoming.destroyed) this.#incoming.resume();
  }

  *#linger(): Coroutine<void> {
    if (this.#isHttp2) return;
    this.#drain();
    const done = this.loop.createFuture<void>();
    const wake = (): void => this.loop.callFromHost(settle, done);
    const timer = this.loop.callLater(LINGER, wake);
    this.#incoming.once("end", wake);
    try {
      yield* done;
    } finally {
      timer.cancel();
      this.#incoming.off("end", wake);
    }
  }

  // The connection is the upgrade's from now on, and so is what becomes of the client.
  *#takeOver(response: UpgradeResponse): Coroutine<void> {
    const upgrade = this.#upgrade;
    if (upgrade === undefined) throw notUpgradable();
    const { socket, head } = upgrade;
    const outgoing = this.#outgoing as ServerResponse;
    outgoing.off("close", this.#onClose);
    outgoing.detachSocket(socket as never);
    const request = this.#incoming as IncomingMessage;
    const onGoingAway = (callback: () => void): void => this.connection.onGoingAway(callback);
    try {
      yield* response._upgrade({ request, socket, head, loop: this.loop, onGoingAway });
    } finally {
      this.#closed = true;
      socket.destroy();
    }
  }

  #cancelled(): void {
    if (this.#gone !== undefined) return;
    if (this.#answer.hasBegun) this.#answer.cutOff();
    else this.#fail(new HttpError(503), NO_HEADERS);
  }

  #failed(error: unknown): void {
    // it has not got what it was promised, and nobody is there to mind
    if (this.#gone !== undefined && error === this.#gone) return;
    if (error instanceof HttpError && !this.#answer.hasBegun) {
      this.#fail(error, NO_HEADERS);
      return;
    }
    const { request } = this;
    this.loop.callExceptionHandler({
      message: this.#answer.hasBegun ? "The body of an answer failed, and was cut off" : "The handler of a request failed",
      exception: error,
      request: `${request.method} ${request.url}`,
      ...(this.#task === undefined ? {} : { task: this.#task }),
    });
    if (this.#closed) return;
    if (this.#answer.hasBegun) this.#answer.cutOff();
    else this.#fail(new HttpError(500), NO_HEADERS);
  }

  // Nothing of it is so large that it would have to be waited for.
  #fail(error: HttpError, more: HeaderList): void {
    if (this.#closed) return;
    const { status, message } = error;
    const headers = [...TEXT, ...headerList(error.headers), ...more];
    this.#answer.closes = this.#service.isClosing || this.request._remaining !== 0;
    void this.#answer.whole({ status, statusText: "", headers }, message);
  }

  get #wasCancelled(): boolean {
    return this.#gone !== undefined || this.#timeUp || ((this.#task as Task<void> | undefined)?.cancelling ?? 0) > 0;
  }

  readonly #onTimeUp = (): void => {
    this.#timer = undefined;
    this.#timeUp = true;
    this.cancel(new TimeoutError(`the request was not answered within ${this.limits.handlerTimeout} ms`));
  };

  readonly #onClose = (): void => {
    this.#closed = true;
    if (this.loop.closed) return;
    if (this.#handled) this.#service._over(this);
    else if (this.#outgoing.writableFinished) this.#answer.closed();
    else this.loop.callFromHost(goneIn, this);
  };

  #end(): void {
    if (this.#handled) return;
    this.#handled = true;
    this.#timer?.cancel();
    this.request._end();
    this.#service._handled(this);
    if (this.#closed) this.#service._over(this);
  }
}
