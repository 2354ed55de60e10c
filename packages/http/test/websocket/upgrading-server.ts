import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type Coroutine, createTask, type EventLoop, getRunningLoop, sleep, type Task, until, wait } from "corio";
import {
  type UpgradeWebSocketOptions,
  upgradeWebSocket,
  type WebSocketHandler,
} from "../../src/websocket/upgrade-websocket.js";
import { upgradeOf } from "./internals.js";

/** A server of Node's that answers requests to upgrade with responses of ours, each in a task of its own. */
export class UpgradingServer {
  /** The tasks of the requests, those that have ended included. */
  readonly tasks: Task<void>[] = [];
  readonly #answer: (request: Request) => Response;
  readonly #delay: number;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  readonly #goingAway: (() => void)[] = [];
  #loop: EventLoop | undefined;
  // kept, for a request may be looked at when the server is closed
  #port = 0;

  /** @param options `delay`: for how many milliseconds a request waits for its answer */
  constructor(answer: (request: Request) => Response, { delay = 0 }: { delay?: number } = {}) {
    this.#answer = answer;
    this.#delay = delay;
    this.#server = createServer();
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("upgrade", (request, socket, head) => {
      this.#loop?.callFromHost(() => void this.tasks.push(createTask(this.#serve(request, socket, head))));
    });
  }

  /** One that handles WebSockets. */
  static of(handler: WebSocketHandler, options?: UpgradeWebSocketOptions): UpgradingServer {
    return new UpgradingServer((request) => upgradeWebSocket(request, handler, options));
  }

  get port(): number {
    return this.#port;
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `ws://${this.host}/chat?room=1`;
  }

  /** The task of the first request, once there is one. */
  *task(): Coroutine<Task<void>> {
    while (this.tasks.length === 0) yield* until(new Promise((resolve) => void setImmediate(resolve)));
    return this.tasks[0] as Task<void>;
  }

  /** What a server does first when it shuts down. */
  goAway(): void {
    for (const callback of this.#goingAway) callback();
  }

  *enter(): Coroutine<this> {
    this.#loop = getRunningLoop();
    this.#server.listen(0, "127.0.0.1");
    yield* until(once(this.#server, "listening"));
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  *exit(_error: unknown): Coroutine<void> {
    for (const task of this.tasks) task.cancel();
    for (const socket of this.#sockets) socket.destroy();
    if (this.tasks.length > 0) yield* wait(this.tasks);
    yield* until(new Promise((resolve) => this.#server.close(resolve)));
  }

  *#serve(request: IncomingMessage, socket: Duplex, head: Buffer): Coroutine<void> {
    const { method = "", rawHeaders } = request;
    const headers = new Headers();
    for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i] ?? "", rawHeaders[i + 1] ?? "");
    const response = this.#answer(new Request(`http://${this.host}${request.url}`, { method, headers }));
    const upgrade = upgradeOf(response);
    if (this.#delay > 0) yield* sleep(this.#delay);
    if (upgrade === undefined) {
      const lines = [...response.headers].map(([name, value]) => `${name}: ${value}\r\n`);
      const text = yield* until(response.text());
      socket.end(`HTTP/1.1 ${response.status} X\r\n${lines.join("")}\r\n${text}`);
      return;
    }
    try {
      const onGoingAway = (callback: () => void): void => void this.#goingAway.push(callback);
      yield* upgrade({ request, socket, head, loop: getRunningLoop(), onGoingAway });
    } finally {
      socket.destroy();
    }
  }
}
