import { type Coroutine, type EventLoop, Future, isCoroutine, sleep } from "corio";
import { fail } from "../errors/fail.js";
import { ConnectionLostError } from "../errors/connection-lost-error.js";
import type { Protocol } from "../transports/protocol.js";
import type { Server } from "../transports/server.js";
import type { Transport } from "../transports/transport.js";
import { StreamReader } from "./stream-reader.js";
import { StreamWriter } from "./stream-writer.js";

/** Serves one connection: a coroutine function, or a function that sees to the rest itself. */
export type ConnectionHandler = (
  reader: StreamReader,
  writer: StreamWriter,
) => Coroutine<unknown> | PromiseLike<unknown> | void;

/** @internal What a server of streams has for all of its connections. */
export interface Service {
  readonly handler: ConnectionHandler;
  readonly server: Server;
}

/** @internal Between a transport and a pair of streams: fills the reader, and makes the writer wait. */
export class StreamProtocol implements Protocol {
  readonly reader: StreamReader;
  readonly #loop: EventLoop;
  readonly #service: Service | undefined;
  #writer: StreamWriter | undefined;
  #lost = false;
  #error: Error | undefined;
  #writingPaused = false;
  // who waits in drain(), in waitClosed() and in waitLost()
  #draining: Future<void>[] | undefined;
  #closing: Future<void>[] | undefined;
  #losing: Future<void>[] | undefined;

  constructor(loop: EventLoop, limit: number, service?: Service) {
    this.#loop = loop;
    this.reader = new StreamReader({ limit, loop });
    this.#service = service;
  }

  connectionMade(transport: Transport): void {
    this.reader._setTransport(transport);
    // after TLS was started on it, the writer stays the same
    if (this.#writer !== undefined) return;
    const writer = (this.#writer = new StreamWriter(transport, this));
    if (this.#service !== undefined) this.#handle(this.#service, writer);
  }

  get writer(): StreamWriter {
    return this.#writer as StreamWriter;
  }

  dataReceived(data: Uint8Array): void {
    this.reader.feedData(data);
  }

  /** Keeps the other half open: an answer may still be under way. */
  eofReceived(): boolean {
    this.reader.feedEof();
    return true;
  }

  connectionLost(error: Error | undefined): void {
    this.#lost = true;
    this.#error = error;
    if (error === undefined) this.reader.feedEof();
    else this.reader.setException(error);
    settle(this.#draining, error ?? new ConnectionLostError());
    settle(this.#closing, error);
    settle(this.#losing, undefined);
  }

  /** Whether the connection came to a server. */
  get isServerSide(): boolean {
    return this.#service !== undefined;
  }

  /** What has arrived and was not read: it is the caller's then. */
  _takeUnread(): Uint8Array {
    return this.reader._takeBuffered();
  }

  pauseWriting(): void {
    this.#writingPaused = true;
  }

  resumeWriting(): void {
    this.#writingPaused = false;
    settle(this.#draining, undefined);
    this.#draining = undefined;
  }

  drain(transport: Transport): Future<void> | Coroutine<void> {
    if (this.#lost) return settled(this.#loop, this.#error ?? new ConnectionLostError());
    // so that who writes in a loop comes to hear that the connection is lost
    if (transport.isClosing) return sleep(0);
    if (!this.#writingPaused) return nothing(this.#loop);
    const future = this.#loop.createFuture<void>();
    (this.#draining ??= []).push(future);
    return future;
  }

  /** Done when the connection is over, however it ended. */
  waitLost(): Future<void> {
    if (this.#lost) return nothing(this.#loop);
    const future = this.#loop.createFuture<void>();
    (this.#losing ??= []).push(future);
    return future;
  }

  waitClosed(): Future<void> {
    if (this.#lost) return this.#error === undefined ? nothing(this.#loop) : settled(this.#loop, this.#error);
    const future = this.#loop.createFuture<void>();
    (this.#closing ??= []).push(future);
    return future;
  }

  #handle({ handler, server }: Service, writer: StreamWriter): void {
    let made: ReturnType<ConnectionHandler>;
    try {
      made = handler(this.reader, writer);
    } catch (error) {
      this.#handlerFailed(error);
      return;
    }
    if (!isCoroutine(made) && typeof made?.then !== "function") return;
    const { _context: context } = server;
    const task = this.#loop.createTask(made, { context: context.copy() });
    server._handling(task);
    const ended = (): void => {
      server._handled(task);
      const error = task.cancelled ? undefined : task.exception();
      if (error !== undefined) this.#handlerFailed(error);
      // nothing is left open by a handler that has ended
      else if (task.cancelled) writer.transport.abort();
      else writer.close();
    };
    task.addDoneCallback(ended, { context });
  }

  #handlerFailed(exception: unknown): void {
    const transport = this.writer.transport;
    this.#loop.callExceptionHandler({ message: "Unhandled exception in a connection's handler", exception, transport });
    transport.close();
  }
}

function settle(waiting: Future<void>[] | undefined, error: Error | undefined): void {
  for (const future of waiting ?? []) {
    if (error !== undefined) fail(future, error);
    else if (!future.done) future.setResult();
  }
}

function settled(loop: EventLoop, error: Error): Future<void> {
  const future = loop.createFuture<void>();
  future.setException(error);
  return future;
}

// The answer of nearly every drain(): one future for all that need not wait.
let last: Future<void> | undefined;

function nothing(loop: EventLoop): Future<void> {
  if (last?.loop === loop) return last;
  last = new Future<void>({ loop });
  last.setResult();
  return last;
}
