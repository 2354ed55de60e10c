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
  /** Has the stack of its creation, if that was asked for; the engine writes it out only if it is read. */
  readonly trace: { readonly stack?: string };
}

/** What the objects behind handles have; each has some of it. */
interface Resource {
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
}

interface Address {
  address?: string;
  port?: number;
}

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

  readonly #withStacks: boolean;
  // those that tell whether they are over
  #kept: BegunResource[] = [];
  #sweepAt = SWEEP;
  // until their callback; an add-on's work may belong to something that stays
  readonly #requests = new Map<number, "request" | "add-on">();
  readonly #hook;

  /** @param options `stacks`: whether to note where each was begun; default false */
  constructor({ stacks = false }: { stacks?: boolean } = {}) {
    this.#withStacks = stacks;
    this.#hook = asyncHooks?.createHook({
      init: (id, type, _trigger, resource) => this.#begin(id, type, resource),
      before: (id) => {
        if (this.#requests.size > 0) this.#requests.delete(id);
      },
    });
    this.#hook?.enable();
  }

  /** Sees nothing new from now on. */
  end(): void {
    this.#hook?.disable();
  }

  /**
   * What is going on: `busy` ends by itself, such as timers and requests; `idle` may stay open for as long as it likes and do
   * nothing, such as sockets and processes. What does not keep the process alive does not count.
   */
  get activity(): "none" | "idle" | "busy" {
    let activity: "none" | "idle" = "none";
    for (const kind of this.#requests.values()) {
      if (kind === "request") return "busy";
      activity = "idle";
    }
    this.#sweep();
    for (const { type, resource } of this.#kept) {
      if (type === "ZLIB" && resource.buffer != null) return "busy";
      if (resource.hasRef?.() !== true) continue;
      if (type === "Timeout") return "busy";
      activity = "idle";
    }
    if (process?.getActiveResourcesInfo?.().includes("Immediate")) return "busy";
    return activity;
  }

  /** What is open and will stay so: it keeps the process alive, or is an open file. */
  get open(): BegunResource[] {
    this.#sweep();
    return this.#kept.filter(({ type, resource }) => type === "FILEHANDLE" || resource.hasRef?.() === true);
  }

  #begin(id: number, type: string, resource: Resource): void {
    if (type === "PROMISE" || type === "TickObject" || type === "Immediate") return;
    if (typeof resource.hasRef === "function" || type === "ZLIB" || type === "FILEHANDLE") {
      this.#kept.push({ type, resource, trace: this.#withStacks ? traceHere() : NO_TRACE });
      if (this.#kept.length > this.#sweepAt) this.#sweep();
    } else if (REQUEST.test(type)) this.#requests.set(id, "request");
    else if (isAddOn(type, resource)) this.#requests.set(id, "add-on");
  }

  #sweep(): void {
    this.#kept = this.#kept.filter((begun) => !isOver(begun));
    this.#sweepAt = Math.max(SWEEP, this.#kept.length * 2);
  }
}

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

const NO_TRACE = {};

function traceHere(): { readonly stack?: string } {
  const limit = Error.stackTraceLimit;
  // Node's own frames come first
  Error.stackTraceLimit = 40;
  const trace = {};
  Error.captureStackTrace(trace);
  Error.stackTraceLimit = limit;
  return trace;
}
