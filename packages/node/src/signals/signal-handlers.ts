import { constants } from "node:os";
import { isMainThread } from "node:worker_threads";
import {
  type Context,
  copyContext,
  CorioError,
  type EventLoop,
  getRunningLoop,
  isCoroutine,
  isCoroutineFunction,
} from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";

/**
 * Calls `callback` inside the running loop whenever the process gets a signal. A loop has one handler a signal: adding another
 * takes the place of the first. As long as there is one, the process stays alive and the loop takes no wait for a deadlock;
 * what Node does for that signal by itself, such as ending the process, it does not do.
 *
 * The callback runs in a copy of the current context. What it throws goes to the loop's exception handler. It goes when it is
 * removed or the loop is closed. Several loops may each have a handler for one signal; all are called.
 *
 * @param signal its name, such as `"SIGTERM"`; not SIGKILL or SIGSTOP, which no process can catch
 * @param callback an ordinary function; to run a coroutine, `() => createTask(main)`
 * @param args what the callback is called with
 * @throws a `TypeError` at once for a signal that this platform does not know or that cannot be caught, and for a coroutine
 * function; a `CorioError` in a worker thread, to which no signals come; a NoRunningLoopError where no loop is running
 * @example
 * const stopped = new Event();
 * addSignalHandler("SIGTERM", () => stopped.set());
 * yield* stopped.wait();
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.add_signal_handler
 */
export function addSignalHandler<Args extends unknown[]>(
  signal: NodeJS.Signals,
  callback: (...args: Args) => void,
  ...args: Args
): void {
  checkSignal(signal, "addSignalHandler(signal, callback)");
  checkCallback(callback);
  const loop = getRunningLoop();
  if (!isMainThread) {
    throw new CorioError(
      "ERR_CORIO_SIGNAL_IN_WORKER",
      `signals come to the main thread only: call addSignalHandler("${signal}", …) there, and post a message to this worker`,
    );
  }
  const handlers = handlersOf(loop);
  const call = (): void => callback(...args);
  const known = handlers.get(signal);
  if (known === undefined) handlers.set(signal, new SignalHandler(loop, signal, call));
  else known.replace(call);
}

/**
 * Removes the running loop's handler for a signal. Node does for it what it does by itself, if nobody else listens.
 *
 * @returns whether there was one
 * @throws as {@link addSignalHandler} does for a wrong signal
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.remove_signal_handler
 */
export function removeSignalHandler(signal: NodeJS.Signals): boolean {
  checkSignal(signal, "removeSignalHandler(signal)");
  const handlers = byLoop.get(getRunningLoop());
  const handler = handlers?.get(signal);
  handler?.remove();
  return handlers?.delete(signal) ?? false;
}

const byLoop = new WeakMap<EventLoop, Map<NodeJS.Signals, SignalHandler>>();

function handlersOf(loop: EventLoop): Map<NodeJS.Signals, SignalHandler> {
  const known = byLoop.get(loop);
  if (known !== undefined) return known;
  const handlers = new Map<NodeJS.Signals, SignalHandler>();
  byLoop.set(loop, handlers);
  loop.onClose(() => {
    for (const handler of handlers.values()) handler.remove();
    handlers.clear();
  });
  return handlers;
}

/** The handler of one loop for one signal. */
class SignalHandler {
  readonly #loop: EventLoop;
  readonly #signal: NodeJS.Signals;
  readonly #hold: Disposable;
  #call: (() => void) | undefined;
  #context: Context;

  constructor(loop: EventLoop, signal: NodeJS.Signals, call: () => void) {
    this.#loop = loop;
    this.#signal = signal;
    this.#call = call;
    this.#context = copyContext();
    listen(signal, this);
    this.#hold = loop.hold();
  }

  replace(call: () => void): void {
    this.#call = call;
    this.#context = copyContext();
  }

  remove(): void {
    this.#call = undefined;
    stopListening(this.#signal, this);
    this.#hold[Symbol.dispose]();
  }

  received(): void {
    // what another loop's handler did may have removed this one
    if (this.#call !== undefined) this.#loop.callFromHost(this.#run);
  }

  // looks only now what to call: it may have been removed or replaced while the loop was busy
  readonly #run = (): void => {
    const call = this.#call;
    if (call === undefined) return;
    try {
      const result: unknown = this.#context.run(call);
      if (isCoroutine(result)) {
        result.return(undefined);
        throw coroutineCallback("main");
      }
    } catch (exception) {
      this.#loop.callExceptionHandler({ message: `Exception in the handler of ${this.#signal}`, exception });
    }
  };
}

// One listener of the process serves the handlers of all loops: Node warns of a leak when there are more than ten.
const listeners = new Map<NodeJS.Signals, Set<SignalHandler>>();

const onSignal = (signal: NodeJS.Signals): void => {
  for (const handler of [...(listeners.get(signal) ?? [])]) handler.received();
};

function listen(signal: NodeJS.Signals, handler: SignalHandler): void {
  const handlers = listeners.get(signal);
  if (handlers !== undefined) {
    handlers.add(handler);
    return;
  }
  process.on(signal, onSignal);
  listeners.set(signal, new Set([handler]));
}

function stopListening(signal: NodeJS.Signals, handler: SignalHandler): void {
  const handlers = listeners.get(signal);
  if (!handlers?.delete(handler) || handlers.size > 0) return;
  listeners.delete(signal);
  process.off(signal, onSignal);
}

function checkSignal(signal: unknown, call: string): asserts signal is NodeJS.Signals {
  if (typeof signal !== "string" || !Object.hasOwn(constants.signals, signal)) {
    throw invalidArgument("SIGNAL", `${call} takes the name of a signal, such as "SIGTERM", not ${describe(signal)}`);
  }
  if (signal === "SIGKILL" || signal === "SIGSTOP") {
    const instead = signal === "SIGKILL" ? "SIGTERM" : "SIGTSTP";
    throw invalidArgument("SIGNAL", `no process can catch ${signal}: write "${instead}" instead`);
  }
}

function describe(signal: unknown): string {
  if (typeof signal === "string") return `"${signal}", which this platform does not know`;
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  return name === undefined ? String(signal) : `${String(signal)}: write "${name}"`;
}

function checkCallback(callback: unknown): void {
  if (isCoroutineFunction(callback)) throw coroutineCallback((callback as { name: string }).name || "main");
  if (typeof callback !== "function") {
    throw invalidArgument("CALLBACK", `addSignalHandler takes a function, not ${typeof callback}: () => …`);
  }
}

function coroutineCallback(name: string): TypeError {
  return invalidArgument(
    "COROUTINE_CALLBACK",
    `coroutines cannot be used with addSignalHandler(): the call would make one that nothing runs. Write () => createTask(${name})`,
  );
}
