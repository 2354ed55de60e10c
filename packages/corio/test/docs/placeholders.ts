// What the examples of the documentation leave open: things that a reader takes for granted. Few and plain is the aim; an
// example that needs more than these declares it itself.
import type { ClientSession, RequestHandler, WebSocketConnection } from "@corio/http";
import type { Condition, ContextVar, Coroutine, Lock, Manager, Task } from "corio";

// of Node
export { duplexPair } from "node:stream";

// coroutines
export declare function main(): Coroutine<void>;
export declare function prepare(): Coroutine<void>;
export declare function worker(name?: string): Coroutine<void>;
export declare function update(item?: string): Coroutine<void>;
export declare function save(): Coroutine<void>;
export declare function handle(line: string): Coroutine<void>;
export declare function download(url: string): Coroutine<string>;
export declare function ask(server: string): Coroutine<string>;
export declare function lookUp(key: string): Coroutine<string>;
export declare function matches(line: string): Coroutine<boolean>;
export declare function fetchUser(id: number): Coroutine<{ name: string }>;
export declare function fetchOrders(id: number): Coroutine<string[]>;
export declare function readHead(): Coroutine<string>;
export declare function readBody(head: string): Coroutine<string>;
export declare function connect(url: string): Coroutine<{ close(): Coroutine<void> }>;

// functions
export declare function openFile(path: string): Manager<string>;
export declare function isTransient(error: unknown): boolean;
export declare function report(error: unknown): void;

// values
export declare const id: number;
export declare const key: string;
export declare const item: string;
export declare const fallback: string;
export declare const url: string;
export declare const urls: string[];
export declare const paths: string[];
export declare const files: string[];
export declare const items: string[];
export declare const lines: AsyncIterable<string>;
export declare const mirror1: string;
export declare const mirror2: string;
export declare const tasks: Task<string>[];
export declare const lock: Lock;
export declare const condition: Condition;
export declare const user: ContextVar<string>;
export declare const emitter: { once(event: string, listener: (value: number) => void): void };

// of @corio/http
export declare const session: ClientSession;
export declare const socket: WebSocketConnection;
export declare const handler: RequestHandler;

// types
export interface Job {
  readonly deadline: number;
}
