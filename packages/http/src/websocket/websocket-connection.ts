import type { Duplex } from "node:stream";
import {
  type ClosableCursor,
  type Coroutine,
  CorioError,
  Event,
  type EventLoop,
  type Future,
  isCancelled,
  Lock,
  makeCursor,
  Queue,
  within,
} from "corio";
import { WebSocket } from "ws";
import { invalidArgument } from "../errors/invalid-argument.js";
import { WebSocketClosedError } from "../errors/websocket-closed-error.js";
import { checkClose } from "./close-codes.js";
import { Heartbeat } from "./heartbeat.js";
import { protocolErrorCode } from "./protocol-error-code.js";
import type { WebSocketSettings } from "./websocket-options.js";

/** A text, or bytes. */
export type WebSocketMessage = string | Uint8Array;

// In bytes: with more to be sent a sender waits, until there is no more than the second.
const SEND_HIGH = 64 * 1024;
const SEND_LOW = 16 * 1024;
// The same for what has arrived and nobody has received; it counts so many for each message besides its length.
const RECEIVE_HIGH = 64 * 1024;
const RECEIVE_LOW = 16 * 1024;
const MESSAGE_COST = 64;
const MAX_PING = 125;

/**
 * A WebSocket that is open: what a client gets of `session.wsConnect`, and a server's handler of `upgradeWebSocket`.
 *
 * One task may receive while others send. Iterated by `forEach`, `iterate` or `for await`, it gives the messages, and ends when
 * the peer closes it, with whatever code; where the connection breaks off it throws. Leaving the iteration does not close it.
 * What has arrived before the end can be received after it.
 *
 * Both directions are held back: `send()` waits while 64 KiB wait to be sent, and no more is read from the connection while so
 * much has arrived that nobody has received.
 *
 * A context manager: leaving its block closes it, with 1000; after an error with 1011 on the server and 1001, "going away", on
 * the client; after a cancellation with 1001.
 *
 * @example
 * yield* within(socket, function* () {
 *   yield* socket.sendJson({ subscribe: "news" });
 *   yield* forEach(socket, (message) => console.log(message));
 * });
 * @see https://docs.aiohttp.org/en/stable/client_reference.html#aiohttp.ClientWebSocketResponse
 */
export class WebSocketConnection {
  readonly #loop: EventLoop;
  readonly #ws: WebSocket;
  readonly #socket: Duplex & { readonly bytesRead?: number };
  readonly #isServer: boolean;
  readonly #heartbeat: Heartbeat | undefined;
  readonly #forgetLoop: () => void;
  /** @internal Told what becomes of the connection; the server's. */
  _watch: ConnectionWatch | undefined;

  // Reading. What has arrived is in the queue; who waits is woken, and looks for itself. Nothing is handed over, so a
  // cancellation loses nothing.
  readonly #received = new Queue<WebSocketMessage>();
  #receivedCost = 0;
  #arrival: Future<void> | undefined;
  #paused = false;
  // after `close()`: what comes then is dropped, so that the peer's answer comes through
  #dropping = false;

  // Writing. Who finds the buffer full waits inside the lock, and so the others behind him, in their order.
  readonly #sending = new Lock();
  #room: Future<void> | undefined;

  // Pings that were not answered, the oldest first; the result is whether a pong came.
  #pings: { readonly payload: Buffer; readonly answered: Future<boolean> }[] = [];
  #pingCount = 0;
  #frames = 0;

  // open ──> closing (`ws` says so) ──> the end is known
  readonly #end = new Event();
  #ending: Ending | undefined;
  #whenClosed: (() => void) | undefined;
  // the first error of the socket or of what came over it
  #cause: Error | undefined;

  /** @internal */
  constructor(loop: EventLoop, ws: WebSocket, socket: Duplex, isServer: boolean, { heartbeat }: WebSocketSettings) {
    this.#loop = loop;
    this.#ws = ws;
    this.#socket = socket;
    this.#isServer = isServer;
    this.#forgetLoop = loop.onClose(() => ws.terminate());
    ws.on("message", (data, isBinary) => this.#arrived(data as Buffer, isBinary));
    ws.on("ping", () => void this.#frames++);
    ws.on("pong", (payload) => this.#ponged(payload));
    ws.on("error", this.#broken);
    ws.on("close", (code, reason) => this.#tell(() => this.#ended(code, reason.toString())));
    // `ws` destroys the socket, and does not say why
    socket.on("error", this.#broken);
    if (heartbeat !== null) this.#heartbeat = new Heartbeat(loop, heartbeat, this.#beating());
  }

  /** Whether it is closed, or closing: nothing can be sent any more. What has arrived can still be received. */
  get closed(): boolean {
    return this.#ws.readyState !== WebSocket.OPEN;
  }

  /**
   * With which code it was closed: what the peer has sent, or, if it broke the rules, what it was told. 1005 if it gave none, 1006
   * if the connection broke off. `undefined` before the end.
   *
   * @see https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
   */
  get closeCode(): number | undefined {
    return this.#ending?.code;
  }

  /** What the peer has given as the reason; empty before the end. */
  get closeReason(): string {
    return this.#ending?.reason ?? "";
  }

  /** The subprotocol that both sides have agreed on; empty if there is none. */
  get protocol(): string {
    return this.#ws.protocol;
  }

  /** How many bytes wait to be sent. */
  get bufferedAmount(): number {
    return this.#ws.bufferedAmount;
  }

  /**
   * Sends a message. Waits before that while more than 64 KiB wait to be sent; those who wait send in the order in which they
   * came.
   *
   * @param data a text, or bytes, which must not be changed afterwards
   * @throws a WebSocketClosedError if it is closed
   *
   * *If cancelled*, the message is not sent.
   * @see https://docs.aiohttp.org/en/stable/client_reference.html#aiohttp.ClientWebSocketResponse.send_str
   */
  send(data: WebSocketMessage): Coroutine<void> {
    checkMessage(data, "send");
    return this.#send(data);
  }

  /**
   * Sends a value as JSON, in a text. Waits as {@link send} does.
   *
   * @throws a `TypeError` for what has no JSON; a WebSocketClosedError if it is closed
   *
   * *If cancelled*, the message is not sent.
   */
  sendJson(value: unknown): Coroutine<void> {
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined) {
      throw invalidArgument("WEBSOCKET_MESSAGE", `sendJson(value) takes what JSON has, not ${typeof value}`);
    }
    return this.#send(text);
  }

  *#send(data: WebSocketMessage): Coroutine<void> {
    const sending = this.#sending;
    if (sending.locked || sending.waiting > 0 || this.#ws.bufferedAmount > SEND_HIGH) {
      yield* within(sending, () => this.#sendWhenRoom(data));
    } else if (this.closed) yield* this.#refuse();
    else this.#ws.send(data, this.#sent);
  }

  *#sendWhenRoom(data: WebSocketMessage): Coroutine<void> {
    while (!this.closed && this.#ws.bufferedAmount > SEND_HIGH) yield* (this.#room = this.#loop.createFuture<void>());
    if (this.closed) yield* this.#refuse();
    this.#ws.send(data, this.#sent);
  }

  /**
   * Waits for the next message.
   *
   * @returns a string if it was sent as text, else bytes
   * @throws a WebSocketClosedError with code and reason, after the last message; its `cause` says what broke the connection, or
   * which rule the peer broke. A `CorioError` if another task waits for a message
   *
   * *If cancelled*, no message is lost.
   * @see https://docs.aiohttp.org/en/stable/client_reference.html#aiohttp.ClientWebSocketResponse.receive
   */
  *receive(): Coroutine<WebSocketMessage> {
    this._watch?.receives();
    while (this.#received.empty) {
      if (this.#ending !== undefined) throw this.#closedError();
      if (this.#arrival?.done === false) throw alreadyReceiving();
      yield* (this.#arrival = this.#loop.createFuture<void>());
    }
    return this.#take();
  }

  /**
   * Waits for the next message, and reads it as JSON, be it text or bytes.
   *
   * @throws a `SyntaxError` if it is none; and as {@link receive} does
   *
   * *If cancelled*, no message is lost.
   */
  *receiveJson(): Coroutine<unknown> {
    const message = yield* this.receive();
    return JSON.parse(
      typeof message === "string" ? message : new TextDecoder("utf-8", { fatal: true }).decode(message),
    );
  }

  /**
   * Sends a ping, and waits for the pong.
   *
   * @param data what it carries, up to 125 bytes; default something that no other ping has
   * @throws a WebSocketClosedError if it is closed before
   *
   * *If cancelled*, the pong is not waited for.
   * @example
   * yield* within(timeout(5_000), () => socket.ping());
   */
  ping(data?: WebSocketMessage): Coroutine<void> {
    if (data !== undefined) checkMessage(data, "ping");
    const payload = Buffer.from(data ?? `corio ${++this.#pingCount}`);
    if (payload.length > MAX_PING) {
      throw invalidArgument("WEBSOCKET_MESSAGE", `ping(data) takes up to ${MAX_PING} bytes, not ${payload.length}`);
    }
    return this.#ping(payload);
  }

  *#ping(payload: Buffer): Coroutine<void> {
    if (this.closed) yield* this.#refuse();
    const answered = this.#loop.createFuture<boolean>();
    this.#pings.push({ payload, answered });
    this.#ws.ping(payload);
    if (!(yield* answered)) throw this.#closedError();
  }

  /**
   * Closes it: tells the peer, and waits for its answer; after `closeTimeout` the connection is cut. What is sent already still
   * goes out; what the peer sends from now on is dropped. Does nothing more if it is closed; waits if it is closing.
   *
   * @param code 1000 (the default), 1001 to 1014 as far as they may be sent, or 3000 to 4999
   * @param reason for the peer, up to 123 bytes
   *
   * *If cancelled*, the connection is cut at once.
   * @see https://docs.aiohttp.org/en/stable/client_reference.html#aiohttp.ClientWebSocketResponse.close
   */
  close(code = 1000, reason = ""): Coroutine<void> {
    checkClose(code, reason);
    return this.#close(code, reason);
  }

  *#close(code: number, reason: string): Coroutine<void> {
    this._watch?.told();
    this._beginClosing(code, reason);
    try {
      yield* this.#end.wait();
    } finally {
      if (this.#ending === undefined) this.#ws.terminate();
    }
  }

  /** For `within`. */
  enter(): this {
    return this;
  }

  /** For `within`: closes it, with a code that tells how the block ended. */
  exit(error: unknown): Coroutine<void> {
    if (error === undefined) return this.close();
    return this.close(this.#isServer && !isCancelled(error) ? 1011 : 1001);
  }

  /** For `forEach` and `iterate`. */
  [makeCursor](): ClosableCursor<WebSocketMessage> {
    return new MessageCursor(this);
  }

  /** For `for await` in plain async code: each step is a task of the loop that the connection belongs to. */
  [Symbol.asyncIterator](): AsyncIterableIterator<WebSocketMessage> {
    const cursor = new MessageCursor(this);
    return {
      next: async () =>
        (await this.#loop.createTask(cursor.next()))
          ? { done: false, value: cursor.value }
          : { done: true, value: undefined },
      return: async () => ({ done: true, value: undefined }),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** @internal Tells the peer that it is over, and does not wait. */
  _beginClosing(code: number, reason = ""): void {
    if (this.#ending !== undefined) return;
    this.#dropping = true;
    this.#resume();
    if (!this.closed) this.#ws.close(code, reason);
  }

  /** @internal Cuts the connection. */
  _terminate(): void {
    this.#ws.terminate();
  }

  /** @internal Whether an error tells the end of this very connection. */
  _hasThrown(error: object): boolean {
    return thrownBy.get(error) === this;
  }

  /** @internal Calls `callback` when it is closed; one is kept. */
  _whenClosed(callback: () => void): void {
    if (this.#ending !== undefined) callback();
    else this.#whenClosed = callback;
  }

  /** @internal Whether some task waits for it, and so comes to know of its end. */
  get _isAwaited(): boolean {
    return this.#arrival?.done === false || this.#sending.locked || this.#pings.length > 0 || this.#end.waiting > 0;
  }

  /** @internal Whether it has ended with a close frame of the peer. */
  get _endedInOrder(): boolean {
    return this.#ending !== undefined && this.#ending.cause === undefined;
  }

  #take(): WebSocketMessage {
    const message = this.#received.getNowait();
    this.#receivedCost -= message.length + MESSAGE_COST;
    if (this.#paused && this.#receivedCost <= RECEIVE_LOW) this.#resume();
    return message;
  }

  #arrived(data: Buffer, isBinary: boolean): void {
    this.#frames++;
    if (this.#dropping) return;
    const message = isBinary ? data : data.toString();
    this.#received.putNowait(message);
    this.#receivedCost += message.length + MESSAGE_COST;
    if (this.#receivedCost > RECEIVE_HIGH && !this.#paused) {
      this.#paused = true;
      this.#ws.pause();
    }
    if (this.#arrival?.done === false) this.#tell(this.#wakeReceiver);
  }

  readonly #wakeReceiver = (): void => wake(this.#arrival);

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#ws.resume();
  }

  readonly #sent = (): void => {
    if (this.#room?.done === false && this.#ws.bufferedAmount <= SEND_LOW) this.#tell(() => wake(this.#room));
  };

  #ponged(payload: Buffer): void {
    this.#frames++;
    const index = this.#pings.findIndex((ping) => ping.payload.equals(payload));
    if (index < 0) return;
    // who has got a later one has got those before
    const answered = this.#pings.splice(0, index + 1);
    this.#tell(() => {
      for (const ping of answered) if (!ping.answered.done) ping.answered.setResult(true);
    });
  }

  readonly #broken = (error: Error): void => {
    this.#cause ??= error;
  };

  #ended(code: number, reason: string): void {
    this.#forgetLoop();
    this.#heartbeat?.stop();
    this.#ending = code === ABNORMAL ? brokenOff(this.#cause) : { code, reason, cause: undefined };
    const wasAwaited = this._isAwaited;
    wake(this.#arrival);
    wake(this.#room);
    for (const { answered } of this.#pings.splice(0)) if (!answered.done) answered.setResult(false);
    this.#end.set();
    this.#whenClosed?.();
    this._watch?.ended(wasAwaited);
  }

  #tell(news: () => void): void {
    if (!this.#loop.closed) this.#loop.callFromHost(news);
  }

  // The code is known when the closing handshake is over, so it is waited for.
  *#refuse(): Coroutine<never> {
    yield* this.#end.wait();
    throw this.#closedError();
  }

  #closedError(): WebSocketClosedError {
    this._watch?.told();
    const { code, reason, cause } = this.#ending as Ending;
    const error = new WebSocketClosedError(code, reason, cause === undefined ? undefined : { cause });
    thrownBy.set(error, this);
    return error;
  }

  #beating(): ConstructorParameters<typeof Heartbeat>[2] {
    const connection = this;
    return {
      ping: () => {
        if (!connection.closed) connection.#ws.ping("corio");
      },
      // a message that is large takes its time, and a pong may be behind it
      get signsOfLife() {
        return connection.#frames + (connection.#socket.bytesRead ?? 0);
      },
      get deaf() {
        return connection.#paused;
      },
      lost: (error) => {
        connection.#broken(error);
        connection.#ws.terminate();
      },
    };
  }
}

const thrownBy = new WeakMap<object, WebSocketConnection>();

/** @internal Who is told what becomes of a connection. */
export interface ConnectionWatch {
  /** Somebody asks for a message. */
  receives(): void;
  /** Somebody has come to know that it is closed, or has closed it. */
  told(): void;
  /** It is closed; whether somebody waited for it, and so will be told. */
  ended(wasAwaited: boolean): void;
}

interface Ending {
  readonly code: number;
  readonly reason: string;
  /** Why there was no close frame of the peer. */
  readonly cause: Error | undefined;
}

// There was no close frame of the peer.
const ABNORMAL = 1006;

function brokenOff(error: Error | undefined): Ending {
  const cause = error ?? new CorioError("ERR_CORIO_WEBSOCKET_BROKEN_OFF", "the connection ended without a close frame");
  return { code: protocolErrorCode(cause, ABNORMAL), reason: "", cause };
}

class MessageCursor implements ClosableCursor<WebSocketMessage> {
  value: WebSocketMessage = "";
  readonly #connection: WebSocketConnection;

  constructor(connection: WebSocketConnection) {
    this.#connection = connection;
  }

  *next(): Coroutine<boolean> {
    try {
      this.value = yield* this.#connection.receive();
      return true;
    } catch (error) {
      if (error instanceof WebSocketClosedError && this.#connection._endedInOrder) return false;
      throw error;
    }
  }

  *close(): Coroutine<void> {}
}

function checkMessage(data: unknown, method: string): void {
  if (typeof data === "string" || data instanceof Uint8Array) return;
  const got = data === null ? "null" : typeof data === "object" ? "an object" : typeof data;
  throw invalidArgument(
    "WEBSOCKET_MESSAGE",
    `${method}(data) takes a string or a Uint8Array, not ${got}; of an object send JSON: sendJson(it)`,
  );
}

function wake(waiter: Future<void> | undefined): void {
  if (waiter?.done === false) waiter.setResult();
}

function alreadyReceiving(): CorioError {
  return new CorioError(
    "ERR_CORIO_CONCURRENT_RECEIVE",
    "receive() called while another task waits for a message: let one task receive, and hand on by a Queue",
  );
}
