import type { EventLoop } from "corio";
import type { RequestClock } from "./request-timeouts.js";

/** What a request's hooks get, the same object from its start to its end: keep what is yours in a `WeakMap`. */
export interface TracedRequest {
  readonly method: string;
  /** What was asked for first; redirects are told. */
  readonly url: string;
}

/**
 * Hooks that a session calls while it works, for logs, metrics and traces. They run at once and must be quick; what they throw is
 * reported to the loop's exception handler, and the request goes on.
 *
 * @example
 * const trace: RequestTrace = {
 *   onResponse: ({ method, url }, { status, ms }) => console.log(method, url, status, `${Math.round(ms)} ms`),
 * };
 * const session = new ClientSession({ trace });
 * @see https://docs.aiohttp.org/en/stable/tracing_reference.html
 */
export interface RequestTrace {
  /** A request begins. `headers`, by names in lower case, may be changed: for the context of a distributed trace, for one. */
  onStart?(request: TracedRequest, details: { headers: Record<string, string | string[]> }): void;
  /** It waits for a connection, because the limits are reached. */
  onQueued?(request: TracedRequest, details: { ms: number }): void;
  /** It is sent. `reused`: over a connection that was open already. */
  onSend?(request: TracedRequest, details: { url: string; attempt: number; reused: boolean; ms: number }): void;
  /** It is redirected, and the redirect is followed. */
  onRedirect?(request: TracedRequest, details: { status: number; url: string; location: string; ms: number }): void;
  /** It failed, and is tried again after `delay` milliseconds. */
  onRetry?(
    request: TracedRequest,
    details: { attempt: number; delay: number; error: unknown; status: number | undefined; ms: number },
  ): void;
  /** The headers of the answer are there. */
  onResponse?(request: TracedRequest, details: { url: string; status: number; headers: Headers; ms: number }): void;
  /** Bytes of the body are there, as they came. */
  onChunk?(request: TracedRequest, details: { bytes: number }): void;
  /** It is over, its body included: `ms` after its start; `error` if it failed or was released before its end. */
  onEnd?(request: TracedRequest, details: { ms: number; error: unknown }): void;
}

type Details<K extends keyof RequestTrace> = Omit<Parameters<NonNullable<RequestTrace[K]>>[1], "ms">;

/** @internal Calls the hooks of one request. */
export class Trace {
  readonly #loop: EventLoop;
  readonly #hooks: RequestTrace;
  readonly #clock: RequestClock;
  readonly #request: TracedRequest;

  constructor(loop: EventLoop, hooks: RequestTrace, clock: RequestClock, request: TracedRequest) {
    this.#loop = loop;
    this.#hooks = hooks;
    this.#clock = clock;
    this.#request = request;
  }

  /** Whether anybody wants to know. */
  has(hook: keyof RequestTrace): boolean {
    return this.#hooks[hook] !== undefined;
  }

  tell<K extends keyof RequestTrace>(hook: K, details: Details<K>): void {
    const call = this.#hooks[hook] as ((request: TracedRequest, details: unknown) => void) | undefined;
    if (call === undefined) return;
    try {
      call.call(this.#hooks, this.#request, { ...details, ms: this.#clock.elapsed });
    } catch (exception) {
      this.#loop.callExceptionHandler({ message: `Exception in the hook ${hook} of a session's trace`, exception });
    }
  }
}
