/** What runs in the workers. Loaded for every one of them, so it loads little itself. */
import { deserialize, serialize } from "node:v8";
import { isMainThread, type MessagePort, type Transferable } from "node:worker_threads";
import { encodeThrown, makeSendable } from "./encode-thrown.js";
import { loadFunction } from "./load-function.js";
import {
  type CancelMessage,
  callOf,
  type Definition,
  type EncodedThrown,
  NOTHING,
  type Request,
  RESULT,
  THROWN,
  type ThreadSetup,
} from "./protocol.js";
import { transferList } from "./transfer-list.js";
import { findUncloneable } from "./uncloneable.js";
import { enterWorkerScope, type WorkerScope } from "./worker-scope.js";

interface Known {
  readonly definition: Definition;
  fn: ((...args: unknown[]) => unknown) | undefined;
}

const functions = new Map<number, Known>();
const isProcess = isMainThread;
const waiting = new Map<number, () => void>();
let port: MessagePort | undefined;
let cancelled: Int32Array = new Int32Array(1);

const scope: WorkerScope = {
  number: 0,
  isCancelled: (number) => Atomics.load(cancelled, 0) === number,
  whenCancelled(number, callback) {
    waiting.set(number, callback);
    if (port === undefined || port.listenerCount("message") > 0) return;
    port.on("message", cancel);
    port.unref();
  },
};
enterWorkerScope(scope);

if (isProcess) {
  process.on("message", (message: Partial<CancelMessage> | null) => {
    const number = message?.corioCancels;
    if (number === undefined) return;
    cancelled[0] = number;
    cancel(number);
  });
  // nobody is there any more to take a result
  process.once("disconnect", () => process.exit());
}

function cancel(number: number): void {
  waiting.get(number)?.();
}

/** @public The pool calls it. */
export default function perform(request: Request): unknown {
  const [number, id, args, definition, setup] = request;
  if (setup !== undefined) begin(setup);
  if (definition !== undefined) functions.set(id, { definition, fn: undefined });
  if (id === NOTHING) return undefined;
  const known = functions.get(id) as Known;
  scope.number = number;
  // what is there and does not wait is answered without a wait (benchmark `to-thread`)
  if (known.fn === undefined) return performLater(number, known, args);
  try {
    const result = call(known.fn, args);
    return isThenable(result) ? finish(number, known, result) : answerTo(known, result);
  } catch (thrown) {
    return sendThrown(thrown);
  }
}

async function performLater(number: number, known: Known, args: Request[2]): Promise<unknown> {
  try {
    known.fn = await loadFunction(known.definition);
    return await finish(number, known, call(known.fn, args));
  } catch (thrown) {
    return sendThrown(thrown);
  }
}

function call(fn: (...args: unknown[]) => unknown, args: Request[2]): unknown {
  return args instanceof Uint8Array ? fn(...(deserialize(args) as unknown[])) : fn(...args);
}

async function finish(number: number, known: Known, result: unknown): Promise<unknown> {
  try {
    return answerTo(known, await result);
  } catch (thrown) {
    return sendThrown(thrown);
  } finally {
    waiting.delete(number);
  }
}

function isThenable(value: unknown): boolean {
  return (
    ((typeof value === "object" && value !== null) || typeof value === "function") &&
    typeof (value as { then?: unknown }).then === "function"
  );
}

function answerTo(known: Known, result: unknown): unknown {
  const isPrimitive =
    (typeof result !== "object" || result === null) && typeof result !== "function" && typeof result !== "symbol";
  return isPrimitive ? result : sendResult(result, known.definition);
}

function begin(setup: ThreadSetup): void {
  port = setup.port as MessagePort;
  cancelled = setup.cancelled;
}

function sendResult(result: unknown, definition: Definition): unknown {
  const list = transferList.take([result]);
  try {
    return send(RESULT, result, list);
  } catch (cause) {
    const where = findUncloneable(result, "the result", clone);
    if (where === undefined) throw cause;
    const message = `what ${callOf(definition)} returned cannot be sent back: ${where}. Return plain data`;
    const code = "ERR_CORIO_UNCLONEABLE";
    throw Object.assign(new TypeError(message, { cause }), { code });
  }
}

function sendThrown(thrown: unknown): unknown {
  const encoded = encodeThrown(thrown, isOwnFrame);
  try {
    return send(THROWN, encoded);
  } catch {
    return send(THROWN, makeSendable(encoded, canBeSent));
  }
}

/** The frames from here on are no business of who wrote the function. */
function isOwnFrame(line: string): boolean {
  return line.includes(import.meta.url);
}

function send(kind: typeof RESULT, value: unknown, list: object[] | undefined): unknown;
function send(kind: typeof THROWN, value: EncodedThrown): unknown;
function send(kind: number, value: unknown, list?: object[]): unknown {
  if (port === undefined) return serialize([kind, value]);
  port.postMessage(value, list as Transferable[]);
  return [kind];
}

function clone(value: unknown): unknown {
  return isProcess ? serialize(value) : structuredClone(value);
}

function canBeSent(value: unknown): boolean {
  try {
    clone(value);
    return true;
  } catch {
    return false;
  }
}
