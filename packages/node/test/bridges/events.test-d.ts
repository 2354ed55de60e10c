import { EventEmitter } from "node:events";
import type { Server, Socket } from "node:net";
import type { Future } from "corio";
import { expectTypeOf, test } from "vitest";
import { type Events, on } from "../../src/bridges/on.js";
import { once } from "../../src/bridges/once.js";

interface Map {
  data: [chunk: string, index: number];
  end: [];
}
class Typed extends EventEmitter<Map> {}
declare const typed: EventEmitter<Map>;
declare const derived: Typed;
declare const server: Server;
declare const signal: AbortSignal;

test("typed emitters give the types of their events", () => {
  expectTypeOf(once(typed, "data")).toEqualTypeOf<Future<[chunk: string, index: number]>>();
  expectTypeOf(once(typed, "end")).toEqualTypeOf<Future<[]>>();
  expectTypeOf(on(typed, "data")).toEqualTypeOf<Events<[chunk: string, index: number]>>();
  expectTypeOf(on(typed, "data", { close: ["end"] })).toEqualTypeOf<Events<[chunk: string, index: number]>>();
});

test("others give what they are said to give, or what is unknown", () => {
  expectTypeOf(once(server, "connection")).toEqualTypeOf<Future<unknown[]>>();
  expectTypeOf(once<[Socket]>(server, "connection")).toEqualTypeOf<Future<[Socket]>>();
  expectTypeOf(on(server, "connection")).toEqualTypeOf<Events<unknown[]>>();
  expectTypeOf(on<[Socket]>(server, "connection")).toEqualTypeOf<Events<[Socket]>>();
  expectTypeOf(once(derived, "data")).toEqualTypeOf<Future<unknown[]>>();
  expectTypeOf(on(derived, "data")).toEqualTypeOf<Events<unknown[]>>();
  expectTypeOf(once(typed, "error")).toEqualTypeOf<Future<unknown[]>>();
});

test("event targets give their event", () => {
  expectTypeOf(once(signal, "abort")).toEqualTypeOf<Future<[event: Event]>>();
  expectTypeOf(on(signal, "abort")).toEqualTypeOf<Events<[event: Event]>>();
});
