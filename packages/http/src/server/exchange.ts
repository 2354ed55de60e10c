import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { Duplex } from "node:stream";
import {
  type Context,
  CorioError,
  type Coroutine,
  type EventLoop,
  type Future,
  isCancelled,
  isCoroutine,
  iterate,
  type Source,
  Task,
  TimeoutError,
  type TimerHandle,
  until,
} from "corio";
import { HttpError } from "../errors/http-error.js";
import { invalidArgument } from "../errors/invalid-argument.js";
import { type HeaderList, headerList, listOf, valueIn } from "../messages/header-list.js";
import { PlatformResponse } from "../messages/platform.js";
import { checkStatus, checkStatusText, isOurs, type Response } from "../messages/response.js";
import type { RequestScope } from "../messages/request-scope.js";
import { type RequestHost, ServerRequest } from "../messages/server-request.js";
import type { UpgradeResponse } from "../messages/upgrade-response.js";
import { Answer, type AnswerHead, type Outgoing } from "./answer.js";
import { clientGone } from "./client-gone.js";
import type { Connection } from "./connection.js";
import type { RequestHandler, ServeSettings } from "./serve-options.js";
import type { TrackedResponse } from "./tracked-response.js";
import { settle } from "./settle.js";

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
  readonly isHttp2: boolean;
  readonly #service: Service;
  readonly #incoming: Incoming;
  readonly #outgoing: Outgoing;
  readonly #answer: Answer;
  readonly #upgrade: UpgradeRequest | undefined;
  #expectsContinue: boolean;
  #task: Future<void> | undefined;
  #begun = false;
  #handled = false;
  #closed = false;
  // by an upgrade, which sees to the rest
  #takenOver = false;
  #gone: CorioError | undefined;
  #timeUp = false;
  #isCancelled = false;
  #isShutDown = false;
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
    this.isHttp2 = connection.isHttp2;
    this.#expectsContinue = expectsContinue;
    this.#upgrade = upgrade;
    this.#answer = new Answer(loop, connection, outgoing, incoming.method === "HEAD", settings.writeTimeout);
    this.request = new ServerRequest(incoming, this);
    connection.begun(this);
    if (this.isHttp2) outgoing.on("close", () => this.closed());
    else (outgoing as TrackedResponse).exchange = this;
  }

  /** Whether all of its answer was handed to Node. */
  get isAnswered(): boolean {
    return this.#outgoing.writableEnded;
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

  /** Whether the request has come whole. */
  get isReceived(): boolean {
    return this.#incoming.complete;
  }

  /** Whether the client may have seen something of the answer. */
  get hasBegun(): boolean {
    return this.#answer.hasBegun;
  }

  /** Runs the handler. */
  start(): void {
    const { loop, context, settings } = this.#service;
    const { method, url = "/" } = this.#incoming;
    const query = url.indexOf("?");
    const name = `${method} ${query < 0 ? url : url.slice(0, query)}`;
    if (settings.handlerTimeout !== null) {
      this.#timer = loop.callLater(settings.handlerTimeout, () => this.#timeIsUp());
    }
    const options = { loop, name, context: context.copy(), eagerStart: true };
    // what `loop.createTask` does, without its copy of the options
    this.#task =
      loop.taskFactory === undefined ? new Task(this.#run(), options) : loop.createTask(this.#run(), options);
  }

  /** Answers without a handler: the server has no room for it, or it is not to be served. */
  refuse(error: HttpError): void {
    this.#handled = true;
    const rest = this.#sendError(error);
    if (rest !== undefined) this.#task = this.loop.createTask(rest, { name: `refusing ${this.#incoming.method}` });
  }

  /** Cancels the request's task, once: its cleanup is not disturbed by a shutdown that is asked for again. */
  shutDown(reason: unknown): void {
    if (this.#isShutDown) return;
    this.#isShutDown = true;
    this.cancel(reason);
  }

  /** Cancels the request's task. */
  cancel(reason: unknown): void {
    if (this.#handled) return;
    this.#isCancelled = true;
    this.#task?.cancel(reason);
    this.request._cancel(reason);
    // it waits for its turn; or it is cancelled before its first step, and then a coroutine runs no `finally`
    if (this.#task === undefined) this.#end();
    else if (!this.#begun) this.#task.addDoneCallback(() => this.#end());
  }

  wantsBody(): void {
    if (!this.#expectsContinue) return;
    this.#expectsContinue = false;
    if (!this.#answer.hasBegun) (this.#outgoing as ServerResponse).writeContinue();
  }

  clientGone(): CorioError {
    if (this.#gone === undefined) {
      this.#gone = clientGone();
      this.#answer.gone(this.#gone);
      if (!this.#isCancelled) this.cancel(this.#gone);
      // what it still cleans up, it may
      else this.request._cancel(this.#gone);
    }
    return this.#gone;
  }

  *#run(): Coroutine<void> {
    this.#begun = true;
    try {
      const made = this.#service.handler(this.request);
      let response: unknown = made;
      // the cheapest question first
      if (isOurs(made)) response = made;
      else if (isCoroutine(made)) response = yield* made;
      else if (typeof (made as Partial<PromiseLike<unknown>> | undefined)?.then === "function") {
        response = yield* until(made as PromiseLike<Response>);
      }
      const scope = this.request._scope;
      if (scope !== undefined) yield* scope.end();
      const rest = this.#send(response);
      if (rest !== undefined) yield* rest;
    } catch (error) {
      yield* this.#fails(error);
    } finally {
      this.#end();
    }
  }

  *#fails(error: unknown): Coroutine<void> {
    const scope = this.request._scope;
    if (scope !== undefined) yield* this.#endScope(scope, error);
    if (isCancelled(error) && this.#wasCancelled) {
      this.#cancelled();
      throw error;
    }
    try {
      const rest = this.#failed(error);
      if (rest !== undefined) yield* rest;
    } catch (exception) {
      this.#cutOff();
      if (isCancelled(exception)) throw exception;
      if (exception !== this.#gone) this.#report("The answer to a request failed", exception);
    }
  }

  #send(response: unknown): Coroutine<void> | undefined {
    return isOurs(response) ? this.#sendOurs(response) : this.#sendForeign(response);
  }

  #sendOurs(response: Response): Coroutine<void> | undefined {
    const { _status: status, _statusText: statusText } = response;
    if (status === 101) return this.#takeOver(response as UpgradeResponse);
    if (status === 0) throw notResponse(response);
    const head = { status, statusText, headers: response._headerList() };
    const body = response._take();
    if (body === null || typeof body === "string") return this.#sendWhole(head, body);
    if (ArrayBuffer.isView(body))
      return this.#sendWhole(head, new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
    if (body instanceof ArrayBuffer) return this.#sendWhole(head, new Uint8Array(body));
    if (body instanceof Blob) return this.#sendStream(head, body.stream(), body.size);
    return this.#sendStream(head, body as Source<unknown>, undefined);
  }

  // The platform's, or one that another library has made.
  #sendForeign(response: unknown): Coroutine<void> | undefined {
    if (!isResponse(response)) throw notResponse(response);
    const { body } = response;
    const status = checkStatus(response.status);
    const statusText = checkStatusText(response.statusText ?? "");
    if (response.bodyUsed || body?.locked === true) throw bodyUsed();
    let headers = response.headers instanceof Headers ? listOf(response.headers) : headerList(response.headers);
    // what `fetch` has decoded is sent as it is now
    if (body !== null && response.url !== "" && response instanceof PlatformResponse)
      headers = withoutEncoding(headers);
    const head = { status, statusText, headers };
    return body === null ? this.#sendWhole(head, null) : this.#sendStream(head, body, undefined);
  }

  #sendWhole(head: AnswerHead, body: string | Uint8Array | null): Coroutine<void> | undefined {
    // it has caught its cancellation, and answers nobody
    if (this.#gone !== undefined) return undefined;
    const answer = this.#answer;
    const remaining = this.request._remaining;
    answer.closes = this.#isLast;
    if (remaining === 0) return answer.whole(head, body);
    if (remaining !== undefined && remaining <= WORTH_DRAINING) {
      const rest = answer.whole(head, body);
      this.#drain();
      return rest;
    }
    answer.closes = true;
    if (this.isHttp2) this.#endStream();
    // a client that was to wait for our word has not sent anything
    const hold = this.isHttp2 || this.#expectsContinue ? undefined : () => this.#linger();
    return answer.whole(head, body, hold);
  }

  *#sendStream(head: AnswerHead, source: Source<unknown>, length: number | undefined): Coroutine<void> {
    if (this.#gone !== undefined) {
      yield* iterate(source).exit();
      return;
    }
    this.#answer.closes = this.#isLast;
    if (this.isHttp2 && this.request._remaining !== 0) this.#endStream();
    yield* this.#answer.stream(head, source, length);
    const remaining = this.request._remaining;
    if (remaining === 0 || this.isHttp2) return;
    if (remaining !== undefined && remaining <= WORTH_DRAINING) this.#drain();
    else (this.#incoming as IncomingMessage).socket.destroySoon();
  }

  // What is left of the request is read, and dropped.
  #drain(): void {
    this.request._end();
    if (!this.#incoming.destroyed) this.#incoming.resume();
  }

  // Of the rest of a request the client is told not to send it, when it has the answer.
  #endStream(): void {
    const { stream } = this.#outgoing as Http2ServerResponse;
    stream.once("finish", () => {
      this.#drain();
      if (!stream.closed) stream.close(constants.NGHTTP2_NO_ERROR);
      // it would wait for a client that sends on
      setImmediate(() => stream.destroy());
    });
  }

  *#linger(): Coroutine<void> {
    this.#drain();
    const done = this.loop.createFuture<void>();
    const wake = (): void => this.loop.callFromHost(settle, done);
    const timer = this.loop.callLater(LINGER, wake);
    const { socket } = this.#incoming as IncomingMessage;
    this.#incoming.once("end", wake);
    socket.once("end", wake);
    try {
      yield* done;
    } finally {
      timer.cancel();
      this.#incoming.off("end", wake);
      socket.off("end", wake);
    }
  }

  // The connection is the upgrade's from now on, and so is what becomes of the client.
  *#takeOver(response: UpgradeResponse): Coroutine<void> {
    const upgrade = this.#upgrade;
    if (upgrade === undefined) throw notUpgradable();
    const { socket, head } = upgrade;
    this.#takenOver = true;
    (this.#outgoing as ServerResponse).detachSocket(socket as never);
    const request = this.#incoming as IncomingMessage;
    const onGoingAway = (callback: () => void): void => this.connection.onGoingAway(callback);
    try {
      yield* response._upgrade({ request, socket, head, loop: this.loop, onGoingAway });
    } finally {
      this.#closed = true;
      socket.destroy();
    }
  }

  // What runs besides a handler that has failed is not wanted any more.
  *#endScope(scope: RequestScope, error: unknown): Coroutine<void> {
    scope.cancel(error);
    try {
      yield* scope.end();
    } catch (exception) {
      if (isCancelled(exception) || exception === error) return;
      this.#report("A task of a request failed after its handler", exception);
    }
  }

  // In the last moment of the task: there is no time left to wait.
  #cancelled(): void {
    if (this.#gone !== undefined || this.#closed) return;
    if (this.#answer.hasBegun) this.#cutOff();
    else {
      this.#answer.closes = true;
      void this.#answer.whole(...errorAnswer(new HttpError(503)));
    }
  }

  #failed(error: unknown): Coroutine<void> | undefined {
    // whoever reads the request's body is told so that the client has gone
    if (this.#gone !== undefined && error === this.#gone) return undefined;
    const { hasBegun } = this.#answer;
    if (error instanceof HttpError && !hasBegun) return this.#sendError(error);
    this.#report(hasBegun ? "The body of an answer failed, and was cut off" : "The handler of a request failed", error);
    if (!hasBegun) return this.#sendError(new HttpError(500));
    this.#cutOff();
    return undefined;
  }

  #cutOff(): void {
    if (!this.#closed) this.#answer.cutOff();
  }

  #report(message: string, exception: unknown): void {
    const { request } = this;
    this.loop.callExceptionHandler({
      message,
      exception,
      request: `${request.method} ${request.url}`,
      ...(this.#task === undefined ? {} : { task: this.#task }),
    });
  }

  #sendError(error: HttpError): Coroutine<void> | undefined {
    if (this.#closed) return undefined;
    let parts: ReturnType<typeof errorAnswer>;
    try {
      parts = errorAnswer(error);
    } catch (exception) {
      this.#report("An HttpError cannot be sent", exception);
      parts = errorAnswer(new HttpError(500));
    }
    return this.#sendWhole(...parts);
  }

  // Of those that came one after another, all are answered.
  get #isLast(): boolean {
    return this.#service.isClosing && this.connection.latest === this;
  }

  get #wasCancelled(): boolean {
    return this.#gone !== undefined || this.#timeUp || ((this.#task as Task<void> | undefined)?.cancelling ?? 0) > 0;
  }

  #timeIsUp(): void {
    this.#timer = undefined;
    if (this.#isCancelled) return;
    this.#timeUp = true;
    this.cancel(new TimeoutError(`the request was not answered within ${this.limits.handlerTimeout} ms`));
  }

  /** Node has done with the answer: the client has it, or is gone. */
  closed(): void {
    if (this.#closed || this.#takenOver) return;
    this.#closed = true;
    if (this.loop.closed) return;
    if (this.isHttp2 && !this.#answer.wasCutOff) {
      const { rstCode } = (this.#outgoing as Http2ServerResponse).stream;
      if (rstCode !== constants.NGHTTP2_NO_ERROR) this.connection.requestTakenBack();
    }
    if (this.#handled) {
      // a refusal may still be on its way
      this.#task?.cancel();
      this.#service._over(this);
    } else if (this.#outgoing.writableEnded && this.#outgoing.writableFinished) this.#answer.taken();
    else this.loop.callFromHost(goneIn, this);
  }

  #end(): void {
    if (this.#handled) return;
    this.#handled = true;
    this.#timer?.cancel();
    this.request._end();
    this.#service._handled(this);
    if (this.#closed) this.#service._over(this);
  }
}

function goneIn(exchange: Exchange): void {
  exchange.clientGone();
}

function errorAnswer({ status, message, headers }: HttpError): [AnswerHead, string] {
  const given = headerList(headers);
  const all = valueIn(given, "content-type") === undefined ? [...given, "content-type", TEXT] : given;
  return [{ status, statusText: "", headers: all }, message];
}

const TEXT = "text/plain;charset=UTF-8";

// The global one, or one that a library has brought.
function isResponse(value: unknown): value is globalThis.Response {
  if (value instanceof PlatformResponse) return value.status !== 0;
  const { status, headers, body } = (value ?? {}) as Partial<globalThis.Response>;
  return (
    Number.isInteger(status) && typeof headers === "object" && (body === null || typeof body?.getReader === "function")
  );
}

function withoutEncoding(headers: HeaderList): HeaderList {
  if (valueIn(headers, "content-encoding") === undefined) return headers;
  const rest: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name !== "content-encoding" && name !== "content-length") rest.push(name, headers[i + 1] as string);
  }
  return rest;
}

function notResponse(value: unknown): TypeError {
  const got =
    value === undefined
      ? "nothing: return new Response(…)"
      : value instanceof PlatformResponse
        ? "Response.error(): throw an HttpError"
        : typeof value === "string"
          ? "a string: return new Response(text)"
          : `${value === null ? "null" : typeof value}: return Response.json(value), or new Response(body)`;
  return invalidArgument(
    "NOT_RESPONSE",
    `the handler of a request returns a Response, and this one has returned ${got}`,
  );
}

function bodyUsed(): TypeError {
  return invalidArgument(
    "BODY_USED",
    "the body of this response was read already, or is being read: it can be sent or read once",
  );
}

function notUpgradable(): CorioError {
  return new CorioError(
    "ERR_CORIO_NOT_UPGRADE",
    "the handler has answered with an upgrade a request that asked for none, or came by HTTP/2: look at the headers first",
  );
}
