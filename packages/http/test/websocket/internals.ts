import type { Duplex } from "node:stream";
import type { Coroutine } from "corio";
import * as connecting from "../../src/websocket/connect-websocket.js";
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
