import { running } from "../scheduling/running.js";
import { HandedOver, type Suspension, turn } from "./coroutine.js";
import { Future } from "./future.js";

/** @internal Whether a generator that both waits and emits yielded this in order to wait. A bare `yield` emits `undefined`. */
export function isSuspension(value: unknown): value is Suspension {
  return (
    (value === undefined && turn.asked) ||
    (value instanceof Future && value._asked === running.step) ||
    value instanceof HandedOver
  );
}
