import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CorioError } from "corio";
import { type Options, Tinypool, type TinypoolWorker } from "tinypool";
import { decodeThrown } from "./decode-thrown.js";
import { callOf, type EncodedThrown, NOTHING, type Request } from "./protocol.js";
import { findUncloneable } from "./uncloneable.js";
import type { Work } from "./work.js";

/** @internal Who gives a slot its work. */
export interface SlotOwner {
  /** It has no work any more. */
  _isFree(slot: WorkerSlot): void;
  /** Its worker has ended; it is of no use any more. */
  _isGone(slot: WorkerSlot): void;
}

/** @internal */
export interface WorkerSlotOptions {
  readonly idleTimeout: number;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly execArgv?: readonly string[] | undefined;
}

/**
 * @internal One worker of an executor, from its start to its end, and the one piece of work that it has at a time.
 *
 *   idle ──run()──> working ──answer──> idle …
 *     └──end(), idle for too long──┴──it dies, it is terminated──> gone
 *
 * Behind each is a Tinypool of one worker, which starts it, feeds it and ends it. So it is known whose work a worker has: what to
 * cancel, and what fails with a worker that dies. In a Tinypool of several (2.2.0),
 *  - a thread that calls process.exit() leaves its work unanswered for ever;
 *  - ending what runs may hand the next work to the worker that is about to end;
 *  - arguments that cannot be cloned leave a worker idle while work waits.
 */
export abstract class WorkerSlot {
  /** What it works on. */
  work: Work<unknown> | undefined;

  readonly #owner: SlotOwner;
  readonly #pool: Tinypool;
  // the functions that the worker has the definitions of
  readonly #known = new Set<number>();
  #request: Request | undefined;
  #number = 0;
  #worker: TinypoolWorker | undefined;
  // whether it has answered once
  #acquainted = false;
  // before, work waits inside of the pool, and the worker knows nothing of it
  #started = false;
  #ending = false;
  #gone = false;
  // what was heard before it ended
  #cause: unknown;

  constructor(owner: SlotOwner, { idleTimeout }: WorkerSlotOptions, options: Options) {
    this.#owner = owner;
    this.#pool = new Tinypool({
      filename: workerEntry(),
      minThreads: 0,
      maxThreads: 1,
      // the longest that a timer can take
      idleTimeout: Math.min(idleTimeout, 2 ** 31 - 1),
      ...options,
    });
    this.#pool.on("error", this.#heard);
  }

  /** What a message calls the worker. */
  protected abstract readonly kind: string;

  /** Puts what only this kind of worker needs into a request, and hands it to the pool. `first`: the worker has answered nothing yet. */
  protected abstract send(pool: Tinypool, request: Request, first: boolean): Promise<unknown>;

  /** The request is not wanted any more, and has not been sent. */
  protected abstract retract(): void;

  /** Unpacks an answer that is no primitive value: whether there is a result, and the result or what was thrown. */
  protected abstract unpack(answer: object): [succeeded: boolean, value: unknown];

  /** Tells the worker that the work with this number is cancelled. */
  protected abstract tell(number: number): void;

  /** Throws for what cannot be sent. */
  protected abstract clone(value: unknown): unknown;

  /** Called when the worker has ended. */
  protected abstract release(): void;

  /** Whether it can be given work. Its pool ends a worker that idles for too long, and says so only when that is over. */
  get usable(): boolean {
    return !this.#ending && !this.#gone && this.#pool.threads[0] === this.#worker;
  }

  /** Hands work to the worker, which it starts if need be. Returns whether it could; if not, the work has failed. */
  run(work: Work<unknown>): boolean {
    const { id, definition } = work._fn;
    const request: Request = [
      ++this.#number,
      id,
      work._args as unknown[],
      this.#known.has(id) ? undefined : definition,
      undefined,
    ];
    try {
      this.send(this.#pool, request, !this.#acquainted).then(this.#answered, this.#failed);
    } catch (error) {
      work._end(false, this.#explain(work, error));
      return false;
    }
    this.work = work;
    this.#request = request;
    if (this.#worker === undefined) this.#watch(this.#pool.threads[0] as TinypoolWorker);
    return true;
  }

  /** Cancels what it works on. */
  cancel(terminate: boolean): void {
    const { work } = this;
    if (work === undefined) return;
    if (!this.#started) {
      const request = this.#request as Request;
      request[1] = NOTHING;
      request[2] = [];
      request[3] = undefined;
      this.retract();
    } else if (terminate) this.#terminate();
    else this.tell(this.#number);
  }

  /** Ends the worker, which has no work. */
  end(): void {
    this.#ending = true;
    if (this.#worker === undefined) {
      this.#gone = true;
      this.#owner._isGone(this);
    } else this.#pool.destroy().catch(ignore);
  }

  #terminate(): void {
    this.#ending = true;
    this.#worker?.terminate().catch(ignore);
  }

  #watch(worker: TinypoolWorker): void {
    this.#worker = worker;
    // The first message says that it is ready. (`on` would have a process's answers delivered twice.)
    worker.once("message", () => {
      this.#started = true;
    });
    worker.once("exit", this.#exited);
  }

  readonly #answered = (answer: unknown): void => {
    const { work } = this;
    if (work === undefined || this.#gone) return;
    const { _fn: fn } = work;
    const definition = this.#request?.[3];
    this.work = undefined;
    this.#request = undefined;
    if (definition !== undefined) this.#known.add(fn.id);
    this.#acquainted = true;
    work._args = [];
    const isPrimitive = typeof answer !== "object" || answer === null;
    const [succeeded, value] = isPrimitive ? [true, answer] : this.#unpack(answer, fn);
    // what it will do next is on its way before this side goes on with the result
    if (this.#known.size >= MOST_FUNCTIONS) this.end();
    else if (!this.#ending) this.#owner._isFree(this);
    work._end(succeeded, value);
  };

  #unpack(answer: object, { errors }: Work<unknown>["_fn"]): [succeeded: boolean, value: unknown] {
    try {
      const [succeeded, value] = this.unpack(answer);
      return [succeeded, succeeded ? value : decodeThrown(value as EncodedThrown, `in a ${this.kind}`, errors)];
    } catch (error) {
      // what could be sent there and cannot be received here
      return [false, error];
    }
  }

  readonly #failed = (error: unknown): void => {
    const { work } = this;
    if (work === undefined || this.#gone) return;
    if (!this.usable || isNoise(error)) return this.#heard(error);
    // the worker is well: this could not be sent
    this.work = undefined;
    this.#request = undefined;
    const explained = this.#explain(work, error);
    this.#owner._isFree(this);
    work._end(false, explained);
  };

  // That it exited follows, except where a process could not be started.
  readonly #heard = (error: unknown): void => {
    this.#cause ??= error;
    if (this.#worker?.threadId === undefined) this.#die(null, null);
  };

  readonly #exited = (code: number | null, signal?: string | null): void => {
    this.#ending = true;
    // after what was heard in this turn, which comes by a promise
    queueMicrotask(() => this.#die(code, signal));
  };

  #die(code: number | null, signal: string | null | undefined): void {
    if (this.#gone) return;
    const { work } = this;
    this.#gone = true;
    this.work = undefined;
    this.#request = undefined;
    this.release();
    this.#pool.destroy().catch(ignore);
    this.#owner._isGone(this);
    const cause = isNoise(this.#cause) ? undefined : this.#cause;
    if (work !== undefined) work._end(false, this.#died(work, code, signal, cause));
    else if (cause !== undefined) {
      process.emitWarning(
        `a ${this.kind} of an executor died while it had no work: ${String((cause as Error).stack ?? cause)}`,
      );
    }
  }

  #died(
    { _fn: { definition } }: Work<unknown>,
    code: number | null,
    signal: string | null | undefined,
    cause: unknown,
  ) {
    const how =
      cause !== undefined
        ? String(cause)
        : typeof signal === "string"
          ? `killed by ${signal}`
          : `exit code ${String(code)}`;
    return new CorioError(
      "ERR_CORIO_WORKER_DIED",
      `the ${this.kind} that ran ${callOf(definition)} ended before it did: ${how}`,
      cause === undefined ? undefined : { cause },
    );
  }

  #explain(work: Work<unknown>, error: unknown): unknown {
    for (const [i, arg] of work._args.entries()) {
      const where = findUncloneable(arg, `argument ${i + 1}`, (value) => this.clone(value));
      if (where === undefined) continue;
      const hint = /shared memory|SharedArrayBuffer/.test(where)
        ? "processes share no memory, threads do"
        : "Pass plain data";
      const message = `${callOf(work._fn.definition)} cannot be called in a ${this.kind}: ${where}, which cannot be sent. ${hint}`;
      return Object.assign(new TypeError(message, { cause: error }), { code: "ERR_CORIO_UNCLONEABLE" });
    }
    return error;
  }
}

let entry: string | undefined;

/**
 * @internal The file that workers start with.
 *
 * @throws a `CorioError` if a bundler has taken this file elsewhere, and has left that one behind
 */
export function workerEntry(): string {
  if (entry !== undefined) return entry;
  let path = "the worker's file";
  try {
    path = fileURLToPath(new URL("../../dist/executors/worker.js", import.meta.url));
  } catch {
    // a bundle of CommonJS has no import.meta.url
  }
  if (!existsSync(path)) {
    throw new CorioError(
      "ERR_CORIO_WORKER_MISSING",
      `${path}, which workers start with, is not there. Leave @corio/node out of the bundle: esbuild --external:@corio/node`,
    );
  }
  entry = path;
  return path;
}

// So many functions' texts may gather in a worker before a fresh one takes its place.
const MOST_FUNCTIONS = 10_000;

/** What is heard when a process has exited, or what was written to it came too late: its code and signal say more. */
function isNoise(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return error.message === "Worker exited unexpectedly" || code === "EPIPE" || code === "ERR_IPC_CHANNEL_CLOSED";
}

function ignore(): void {}
