import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Coroutine, EventLoop, Task, TimeoutError } from "corio";
import * as connecting from "../../src/websocket/connect-websocket.js";
import * as watches from "../../src/websocket/handler-watch.js";
import * as heartbeats from "../../src/websocket/heartbeat.js";
import type { WebSocketConnectOptions } from "../../src/websocket/connect-websocket.js";
import type { WebSocketConnection } from "../../src/websocket/websocket-connection.js";

// What the session has of WebSockets and users do not. The published types do not have it.

export interface Target {
  readonly protocol: "http:" | "https:";
  readonly hostname: string;
  readonly port: number;
}

export type OpenSocket = (
  target: Target,
  callback: (error: Error | null, socket?: Duplex) => void,
) => { destroy(): void };

export interface WebSocketRequest extends WebSocketConnectOptions {
  readonly openSocket: OpenSocket;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
}

const withConnect: object = connecting;
export const { connectWebSocket } = withConnect as {
  connectWebSocket(url: string | URL, request: WebSocketRequest): Coroutine<WebSocketConnection>;
};

/** What a server hands to the response that it upgrades a connection for. */
export interface UpgradeContext {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly loop: EventLoop;
  readonly onGoingAway: (callback: () => void) => void;
}

/** The coroutine by which a response upgrades; `undefined` if it is an ordinary one. */
export function upgradeOf(response: Response): ((context: UpgradeContext) => Coroutine<void>) | undefined {
  return (response as { _upgrade?: (context: UpgradeContext) => Coroutine<void> })._upgrade;
}

export interface Beating {
  ping(): void;
  readonly signsOfLife: number;
  readonly deaf: boolean;
  lost(error: TimeoutError): void;
}

const withHeartbeat: object = heartbeats;
export const { Heartbeat } = withHeartbeat as {
  Heartbeat: new (loop: EventLoop, interval: number, connection: Beating) => { stop(): void };
};

export interface ConnectionWatch {
  receives(): void;
  told(): void;
  ended(wasAwaited: boolean): void;
}

const withWatch: object = watches;
export const { HandlerWatch } = withWatch as {
  HandlerWatch: new (
    loop: EventLoop,
    task: Task<unknown>,
    connection: { readonly closeCode: number; readonly closeReason: string },
    grace: number,
  ) => ConnectionWatch & { stop(): void };
};
