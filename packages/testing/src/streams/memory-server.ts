import {
  type Context,
  copyContext,
  type Coroutine,
  CorioError,
  Event,
  type EventLoop,
  isCoroutine,
  type Task,
  wait,
} from "corio";
import type { ConnectionHandler, ListeningSocket, Server, ServerOptions, StreamLimit, StreamWriter } from "@corio/node";
import type { MemorySocket } from "./memory-socket.js";

/** What a server has as long as it listens. */
export interface Listening {
  readonly socket: ListeningSocket;
  close(): void;
}

/** Begins to listen for a server; throws if the place is taken. */
export type Listen = (server: MemoryServer) => Listening;

/** A server on a network in memory, with the public face of @corio/node's Server. */
export class MemoryServer implements Omit<Server, "enter"> {
  readonly loop: EventLoop;
  readonly #handler: ConnectionHandler;
  readonly #listen: Listen;
  readonly #options: ServerOptions & StreamLimit;
  readonly #context: Context = copyContext();
  readonly #writers = new Set<StreamWriter>();
  readonly #tasks = new Set<Task<unknown>>();
  readonly #closed = new Event();
  readonly #over = new Event();
  #listening: Listening | undefined;
  #isServedForever = false;

  constructor(loop: EventLoop, handler: ConnectionHandler, listen: Listen, options: ServerOptions & StreamLimit) {
    this.loop = loop;
    this.#handler = handler;
    this.#listen = listen;
    this.#options = options;
  }

  get isServing(): boolean {
    return this.#listening !== undefined;
  }

  get sockets(): readonly ListeningSocket[] {
    return this.#listening === undefined ? [] : [this.#listening.socket];
  }

  get connections(): number {
    return this.#writers.size;
  }

  *startServing(): Coroutine<void> {
    if (this.#closed.isSet) {
      throw new CorioError("ERR_CORIO_SERVER_CLOSED", "this server is closed: start another one");
    }
    this.#listening ??= this.#listen(this);
  }

  *serveForever(): Coroutine<void> {
    yield* this.startServing();
    if (this.#isServedForever) {
      throw new CorioError("ERR_CORIO_SERVING", "server is already being awaited on serveForever()");
    }
    this.#isServedForever = true;
    try {
      yield* this.#closed.wait();
    } catch (error) {
      yield* this.#end();
      throw error;
    } finally {
      this.#isServedForever = false;
    }
  }

  close(): void {
    this.#listening?.close();
    this.#listening = undefined;
    this.#closed.set();
    this.#tellIfOver();
  }

  closeClients(): void {
    for (const writer of this.#writers) writer.close();
  }

  abortClients(): void {
    for (const writer of this.#writers) writer.transport.abort();
  }

  *waitClosed(): Coroutine<void> {
    yield* this.#over.wait();
  }

  enter(): this {
    return this;
  }

  *exit(error: unknown): Coroutine<void> {
    this.close();
    if (error !== undefined) {
      yield* this.#end();
      return;
    }
    try {
      yield* this.waitClosed();
    } catch (cancellation) {
      yield* this.#end();
      throw cancellation;
    }
  }

  /** Takes a connection that has come. */
  accept(socket: MemorySocket): void {
    const { limit, maxConnections = Number.POSITIVE_INFINITY } = this.#options;
    if (this.connections >= maxConnections) {
      socket.destroy();
      return;
    }
    const [reader, writer] = socket.openStreams(limit === undefined ? {} : { limit });
    this.#writers.add(writer);
    socket.once("close", () => {
      this.#writers.delete(writer);
      this.#tellIfOver();
    });
    let made: ReturnType<ConnectionHandler>;
    try {
      made = this.#context.run(() => this.#handler(reader, writer));
    } catch (error) {
      this.#handlerFailed(error, writer);
      return;
    }
    if (isCoroutine(made) || typeof made?.then === "function") this.#handle(made, writer);
  }

  #handle(handling: Coroutine<unknown> | PromiseLike<unknown>, writer: StreamWriter): void {
    const task = this.loop.createTask(handling, { context: this.#context.copy() });
    this.#tasks.add(task);
    task.addDoneCallback(() => {
      this.#tasks.delete(task);
      this.#tellIfOver();
      const error = task.cancelled ? undefined : task.exception();
      if (error !== undefined) this.#handlerFailed(error, writer);
      // nothing is left open by a handler that has ended
      else if (task.cancelled) writer.transport.abort();
      else writer.close();
    });
  }

  #handlerFailed(exception: unknown, { transport }: StreamWriter): void {
    this.loop.callExceptionHandler({ message: "Unhandled exception in a connection's handler", exception, transport });
    transport.close();
  }

  #tellIfOver(): void {
    if (this.#closed.isSet && this.#writers.size === 0 && this.#tasks.size === 0) this.#over.set();
  }

  /** Ends what is left. The cleanup of a handler may take its time, and its connection is open as long. */
  *#end(): Coroutine<void> {
    this.close();
    for (const task of this.#tasks) task.cancel();
    try {
      if (this.#tasks.size > 0) yield* wait(this.#tasks);
    } finally {
      this.abortClients();
    }
    yield* this.waitClosed();
  }
}
