import { invalidArgument } from "../errors/invalid-argument.js";

/** What emits events: Node's emitters, and the web's event targets. */
export type EventSource = NodeJS.EventEmitter | EventTarget;

/**
 * The arguments of an event of an `EventEmitter<M>`. Of a class that is derived from it, the compiler can tell the names of the
 * events and makes `any` of the rest: then they are unknown.
 */
export type ArgumentsOf<M, K extends keyof M> = 0 extends 1 & M[K] ? unknown[] : M[K];

/**
 * Listens to an event.
 *
 * @param listener gets the arguments of the event; of an event target, the event itself
 * @returns a function that removes the listener
 */
export function listen(source: EventSource, name: string | symbol, listener: (...args: unknown[]) => void): () => void {
  if (isEmitter(source)) {
    source.on(name, listener);
    return () => void source.off(name, listener);
  }
  source.addEventListener(name as string, listener);
  return () => source.removeEventListener(name as string, listener);
}

/** Listens to the errors of an emitter. Event targets have none that would stand for a failure. */
export function listenToErrors(source: EventSource, listener: (error: unknown) => void): () => void {
  if (!isEmitter(source)) return () => {};
  return listen(source, "error", (error) =>
    // a future, and `throw`, want something to tell
    listener(error === undefined ? new Error(`an "error" event without an error`) : error),
  );
}

/** Whether it is one of Node's. Those that are both, such as message ports, are emitters, as they are for `node:events`. */
export function isEmitter(source: EventSource): source is NodeJS.EventEmitter {
  return typeof (source as Partial<NodeJS.EventEmitter>).on === "function";
}

/** Refuses what emits no events. */
export function checkEventSource(source: unknown, call: string): asserts source is EventSource {
  const { on, addEventListener } = (source ?? {}) as { on?: unknown; addEventListener?: unknown };
  if (typeof on === "function" || typeof addEventListener === "function") return;
  throw invalidArgument("EVENT_SOURCE", `${call} takes an EventEmitter or an EventTarget, not ${String(source)}`);
}
