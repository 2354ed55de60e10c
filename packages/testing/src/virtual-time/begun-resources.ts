import { beginUnseen, isUnseen, waitingForTurn } from "./real-turns.js";

// What the process gives, taken when the module loads. Bun and Deno have these names and little behind them.
const { process } = globalThis as { process?: NodeProcess };
const isNode = process?.versions?.node !== undefined && !process.versions.bun && !process.versions.deno;
const asyncHooks = isNode ? process.getBuiltinModule?.("node:async_hooks") : undefined;

interface NodeProcess {
  readonly versions?: { readonly node?: string; readonly bun?: string; readonly deno?: string };
  getActiveResourcesInfo?(): string[];
  getBuiltinModule?(name: "node:async_hooks"): typeof import("node:async_hooks");
}

/** Something that this process has begun: a handle, a timer, a request. */
export interface BegunResource {
  /** As node:async_hooks calls it: `TCPSERVERWRAP`, `Timeout`. */
  readonly type: string;
  readonly resource: Resource;
  /** Has the stack of its creation, if that was asked for. */
  readonly trace: Trace;
  /** In whose callback it was begun, by the numbers of node:async_hooks. */
  readonly parent: number;
}

/** The engine writes a stack out only if it is read. */
interface Trace {
  readonly stack?: string;
}

/** What the objects behind handles have; each has some of it. */
export interface Resource {
  hasRef?(): boolean | undefined;
  unref?(): void;
  close?(): void;
  getsockname?(out: Address): number;
  getpeername?(out: Address): number;
  kill?(signal: number): number;
  stopThread?(): void;
  readonly pid?: number;
  readonly fd?: number;
  /** Of a timer: whether it is over. */
  readonly _destroyed?: boolean;
  readonly _idleTimeout?: number;
  readonly _repeat?: number | null;
  /** Of zlib: what it works on. */
  readonly buffer?: unknown;
  /** Of crypto: takes the result, if that does not come at once. */
  readonly ondone?: unknown;
}

/** Where a socket is. */
export interface Address {
  address?: string;
  port?: number;
}

// What ends by itself as long as it keeps the process alive.
const WORK = /^(Timeout|PROCESSWRAP|WORKER)$/;
// Requests end with one callback. Writes are not among them: some end without one, and their socket is open anyway.
const REQUEST = /^(FSREQ|GETADDRINFO|GETNAMEINFO|TCPCONNECT|PIPECONNECT|FILEHANDLECLOSE|QUERYWRAP|(?!HTTP).*REQUEST$)/;
// So many resources are kept before those that are over are looked for.
const SWEEP = 1_024;

/**
 * What this process has begun, from when it is made until {@link end}, and what is still going on of it. One hook of
 * node:async_hooks sees everything: `process.getActiveResourcesInfo()` does not list the work of node:crypto, of zlib, of
 * `dns.resolve` and of native add-ons, and its counts do not tell what the program began from what its test runner did.
 */
export class BegunResources {
  /** Whether this process can be watched: only Node can. */
  static readonly known = asyncHooks !== undefined && process?.getActiveResourcesInfo !== undefined;

  // what was begun and may have begun others since, by number; only if traces were asked for
  readonly #traces: Map<number, Trace> | undefined;
  // what has a lower number is none of what is watched, and neither is what its callbacks begin
  readonly #first: number;
  // those that tell whether they are over
  #kept: BegunResource[] = [];
  #sweepAt = SWEEP;
  // until their callback; an add-on's work may belong to something that stays
  readonly #requests = new Map<number, Request>();
  readonly #hook;

  /** @param options `traces`: whether to note where each was begun; default false */
  constructor({ traces = false }: { traces?: boolean } = {}) {
    this.#traces = traces ? new Map() : undefined;
    this.#first = asyncHooks === undefined ? 0 : new asyncHooks.AsyncResource("corio").asyncId();
    this.#hook = asyncHooks?.createHook({
      init: (id, type, trigger, resource) => this.#begin(id, type, trigger, resource),
      before: (id) => {
        if (this.#requests.size > 0) this.#requests.delete(id);
      },
    });
    this.watch();
  }

  /** Sees again what begins, after {@link end}. */
  watch(): void {
    this.#hook?.enable();
  }

  /** Sees nothing new from now on. */
  end(): void {
    this.#hook?.disable();
  }

  /** Calls a function whose timers and the like are none of the program's. */
  unseen<T>(begin: () => T): T {
    return beginUnseen(begin);
  }

  /**
   * What is going on: `busy` ends by itself, such as timers, requests and processes; `idle` may stay open for as long as it likes
   * and do nothing, such as sockets. What does not keep the process alive does not count.
   */
  get activity(): "none" | "idle" | "busy" {
    let activity: "none" | "idle" = "none";
    this.#sweep();
    for (const { kind } of this.#requests.values()) {
      if (kind === "request") return "busy";
      activity = "idle";
    }
    let [workers, listens] = [false, false];
    for (const begun of this.#kept) {
      const { type, resource } = begun;
      if (type === "ZLIB" && resource.buffer != null) return "busy";
      workers ||= type === "WORKER";
      if (!keepsAlive(begun)) continue;
      if (WORK.test(type)) return "busy";
      listens ||= type === "MESSAGEPORT";
      activity = "idle";
    }
    // pools of threads listen for answers while there is work
    if (workers && listens) return "busy";
    const immediates = process?.getActiveResourcesInfo?.().filter((type) => type === "Immediate").length ?? 0;
    return immediates > waitingForTurn() ? "busy" : activity;
  }

  /** What is going on, by its types, for reports: `2 Timeout`. */
  list(): string[] {
    const types = new Map<string, number>();
    const going = [...this.#requests.values(), ...this.#kept.filter(keepsAlive)];
    for (const { type } of going) types.set(type, (types.get(type) ?? 0) + 1);
    return [...types].map(([type, count]) => `${count} ${type}`);
  }

  /**
   * What is open and will stay so: it keeps the process alive, or is an open file. Not what was begun in a callback of something
   * older, such as the end of a connection that an older server accepted.
   */
  get open(): BegunResource[] {
    this.#sweep();
    return this.#kept.filter(
      (begun) =>
        (begun.parent === UNKNOWN || begun.parent >= this.#first) && (begun.type === "FILEHANDLE" || keepsAlive(begun)),
    );
  }

  /** The stacks of what led to it, the nearest first: a server that was bound after a look-up was begun in that look-up's callback. */
  tracesOf({ trace, parent }: BegunResource): Trace[] {
    const before = this.#traces?.get(parent);
    return before === undefined ? [trace] : [trace, before];
  }

  #begin(id: number, type: string, trigger: number, resource: Resource): void {
    if (type === "PROMISE" || type === "Immediate" || isUnseen()) return;
    if (type === "TickObject") {
      this.#trace(id);
      return;
    }
    if (typeof resource.hasRef === "function" || type === "ZLIB" || type === "FILEHANDLE") {
      this.#kept.push({ type, resource, trace: this.#trace(id), parent: executionAsyncId() || trigger });
      if (this.#kept.length > this.#sweepAt) this.#sweep();
      return;
    }
    const kind = REQUEST.test(type) ? "request" : isAddOn(type, resource) ? "add-on" : undefined;
    if (kind === undefined) return;
    // before it is added: what takes its result is only set after this
    if (this.#requests.size > this.#sweepAt) this.#sweep();
    const trace = type.endsWith("REQUEST") ? traceHere() : this.#trace(id);
    this.#requests.set(id, { kind, type, resource, trace });
  }

  #trace(id: number): Trace {
    const traces = this.#traces;
    if (traces === undefined) return NO_TRACE;
    const trace = traceHere();
    if (traces.size > SWEEP) traces.clear();
    traces.set(id, trace);
    return trace;
  }

  #sweep(): void {
    for (const [id, request] of this.#requests) if (isSynchronous(request)) this.#requests.delete(id);
    this.#kept = this.#kept.filter((begun) => !isOver(begun));
    this.#sweepAt = Math.max(SWEEP, this.#kept.length * 2, this.#requests.size * 2);
  }
}

interface Request {
  readonly kind: "request" | "add-on";
  readonly type: string;
  readonly resource: Resource;
  readonly trace: Trace;
}

/**
 * Whether it is a job of crypto that was done where it was made, as for `randomUUID()`: those have no callback. Neither have those of
 * `crypto.subtle`, from Node 24 on, which are known by whom they were made by.
 */
function isSynchronous({ type, resource, trace }: Request): boolean {
  if (!type.endsWith("REQUEST") || resource.ondone !== undefined) return false;
  return !/\bjobPromise\b|\bSubtleCrypto\b/.test(trace.stack ?? "");
}

/** Standard input and output do not count: they are made when a program first looks at them, and stay. */
function keepsAlive({ type, resource }: BegunResource): boolean {
  const { fd = -1 } = resource;
  const isStandard = type === "TTYWRAP" || (fd >= 0 && fd <= STANDARD_ERROR);
  return resource.hasRef?.() === true && !isStandard;
}

const STANDARD_ERROR = 2;

/** What tells that it is over for good. What is only unreferenced may be referenced again. */
function isOver({ type, resource }: BegunResource): boolean {
  if (type === "Timeout") return resource._destroyed !== false;
  if (type === "ZLIB") return false;
  if (type === "FILEHANDLE") return (resource.fd ?? -1) < 0;
  // handles that are closed say neither yes nor no
  return resource.hasRef?.() === undefined;
}

/** Node's own resources have known names, a program's own are an AsyncResource; what is left is of native add-ons. */
function isAddOn(type: string, resource: object): boolean {
  const { asyncWrapProviders, AsyncResource } = asyncHooks as typeof import("node:async_hooks");
  return !(type in asyncWrapProviders) && type !== "Microtask" && !(resource instanceof AsyncResource);
}

function executionAsyncId(): number {
  return (asyncHooks as typeof import("node:async_hooks")).executionAsyncId();
}

// what the system itself calls back for
const UNKNOWN = 0;
const NO_TRACE = {};

function traceHere(): Trace {
  const limit = Error.stackTraceLimit;
  // Node's own frames come first
  Error.stackTraceLimit = 40;
  const trace = {};
  Error.captureStackTrace(trace);
  Error.stackTraceLimit = limit;
  return trace;
}
