import type { ChildProcess } from "node:child_process";
import { constants } from "node:os";
import { type Coroutine, Event, type EventLoop, gather, sleep } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import type { StreamReader } from "../streams/stream-reader.js";
import type { StreamWriter } from "../streams/stream-writer.js";
import { closed, opened } from "../transports/open-resources.js";
import type { ChildPipe } from "./child-pipe.js";
import { groupLives } from "./process-group.js";
import type { Piped, SubprocessOptions } from "./subprocess-options.js";

/** @internal */
export interface ChildPipes {
  readonly stdin: ChildPipe | undefined;
  readonly stdout: ChildPipe | undefined;
  readonly stderr: ChildPipe | undefined;
}

// Milliseconds: how often at most it is looked whether a process group has come to its end, which nothing tells.
const LONGEST_LOOK = 50;

/**
 * A child process. Made by `createSubprocessExec` and `createSubprocessShell`.
 *
 * A context manager: the child does not outlive its block. If it still runs when the block ends, by its result, an error or a
 * cancellation, its stdin is closed and it is terminated (SIGTERM), and killed (SIGKILL) if it still runs after the grace
 * period (`gracePeriod`, 5 s), or as soon as this waiting is cancelled. The block's end waits for the child's end, and closes
 * the pipes; what was not read until then is lost. With `processGroup` this goes for the whole group, also when the child
 * itself has ended already. To let a child come to its end by itself, `yield* child.wait()` in the block.
 *
 * Without a block, a child that still runs when the loop is closed is killed.
 *
 * @example
 * const child = yield* createSubprocessExec("sort", [], { stdin: "pipe", stdout: "pipe" });
 * yield* within(child, function* () {
 *   const [sorted] = yield* child.communicate("b\na\n");
 *   console.log(sorted.length, child.returnCode);
 * });
 * @see https://docs.python.org/3/library/asyncio-subprocess.html#asyncio.asyncio.subprocess.Process
 */
export class Process<O extends SubprocessOptions = SubprocessOptions> {
  /** The child's process id. */
  readonly pid: number;
  /** Writes to the child's standard input; `undefined` unless that is `"pipe"`. */
  readonly stdin: Piped<O, "stdin", StreamWriter>;
  /** Reads the child's standard output; `undefined` unless that is `"pipe"`. */
  readonly stdout: Piped<O, "stdout", StreamReader>;
  /** Reads the child's standard error; `undefined` unless that is `"pipe"`. */
  readonly stderr: Piped<O, "stderr", StreamReader>;
  readonly #loop: EventLoop;
  readonly #child: ChildProcess;
  readonly #pipes: ChildPipes;
  readonly #gracePeriod: number;
  readonly #processGroup: boolean;
  readonly #exited = new Event();
  #returnCode: number | null = null;
  #signal: NodeJS.Signals | null = null;
  // whether there is nobody left to get a signal: an id that is free may be another's any time
  #gone = false;
  #killed = false;

  /** @internal */
  constructor(loop: EventLoop, child: ChildProcess, pipes: ChildPipes, gracePeriod: number, processGroup: boolean) {
    this.#loop = loop;
    this.#child = child;
    this.#pipes = pipes;
    this.#gracePeriod = gracePeriod;
    this.#processGroup = processGroup;
    this.pid = child.pid as number;
    this.stdin = pipes.stdin?.writer as typeof this.stdin;
    this.stdout = pipes.stdout?.reader as typeof this.stdout;
    this.stderr = pipes.stderr?.reader as typeof this.stderr;
    // Node resumes these when the child has ended, even if a reader has paused them because it has enough for now
    (child.stdio as unknown[]).fill(null);
    child.on("error", () => {}); // a signal that cannot be sent is told where it is sent
    child.on("exit", (code, signal) => this.#exit(code, signal));
    opened(loop, this);
  }

  /** The exit code; of a child that a signal ended, that signal's number, negative; `null` as long as it runs. */
  get returnCode(): number | null {
    return this.#returnCode;
  }

  /** The name of the signal that ended the child; `null` as long as it runs, and if it ended by itself. */
  get signal(): NodeJS.Signals | null {
    return this.#signal;
  }

  /**
   * Waits until the child has ended. Its output may come after that; and one that nobody reads keeps the child from ending, once
   * the pipe is full: read it, or use {@link communicate}.
   *
   * @returns the {@link returnCode}
   *
   * *If cancelled*, nothing happens to the child.
   * @see https://docs.python.org/3/library/asyncio-subprocess.html#asyncio.asyncio.subprocess.Process.wait
   */
  *wait(): Coroutine<number> {
    while (this.#returnCode === null) yield* this.#exited.wait();
    return this.#returnCode;
  }

  /**
   * Writes `input` to the child's standard input and closes that, reads all output at the same time, and waits until both the
   * output and the child have ended. A child that does not read all of its input is no error.
   *
   * @param input bytes, or a text that is sent as UTF-8; default none
   * @returns the bytes of stdout and of stderr, each `undefined` unless it is `"pipe"`
   * @throws a `TypeError` for input where stdin is not `"pipe"`
   *
   * *If cancelled*, nothing happens to the child, and what it has written is read by the next one who reads. How much of the
   * input it got is not known.
   * @example
   * const child = yield* createSubprocessExec("wc", ["-c"], { stdin: "pipe", stdout: "pipe" });
   * const [output] = yield* child.communicate("twelve bytes");
   * console.log(new TextDecoder().decode(output));
   * @see https://docs.python.org/3/library/asyncio-subprocess.html#asyncio.asyncio.subprocess.Process.communicate
   */
  *communicate(
    input?: Uint8Array | string,
  ): Coroutine<[stdout: Piped<O, "stdout", Uint8Array>, stderr: Piped<O, "stderr", Uint8Array>]> {
    const { stdin, stdout, stderr } = this.#pipes;
    if (input !== undefined && stdin === undefined) {
      throw invalidArgument(
        "NO_STDIN",
        'communicate(input) needs a pipe to write to: start the child with { stdin: "pipe" }',
      );
    }
    if (input !== undefined && typeof input !== "string" && !(input instanceof Uint8Array)) {
      throw invalidArgument("NOT_BYTES", `communicate(input) takes a Uint8Array or a string, not ${typeof input}`);
    }
    const [out, err] = yield* gather(readAll(stdout?.reader), readAll(stderr?.reader), feed(stdin?.writer, input));
    yield* this.wait();
    return [out, err] as never;
  }

  /**
   * Sends a signal to the child; with `processGroup` to the whole group, as long as anyone is left of it.
   *
   * @param signal its name, such as `"SIGINT"`
   * @returns whether there was someone to send it to; false after the end, which is no error
   * @throws a `TypeError` for a signal that this platform does not know; Node's error (`EPERM`) for a child that has become
   * another user
   * @see https://docs.python.org/3/library/asyncio-subprocess.html#asyncio.asyncio.subprocess.Process.send_signal
   */
  sendSignal(signal: NodeJS.Signals): boolean {
    if (typeof signal !== "string" || !Object.hasOwn(constants.signals, signal)) {
      const given = typeof signal === "string" ? `"${signal}", which this platform does not know` : String(signal);
      throw invalidArgument("SIGNAL", `sendSignal(signal) takes the name of a signal, such as "SIGINT", not ${given}`);
    }
    return this.#send(signal);
  }

  /**
   * Asks the child to end: `sendSignal("SIGTERM")`. On Windows it is killed.
   *
   * @returns as {@link sendSignal} does
   * @see https://docs.python.org/3/library/asyncio-subprocess.html#asyncio.asyncio.subprocess.Process.terminate
   */
  terminate(): boolean {
    return this.#send("SIGTERM");
  }

  /**
   * Ends the child, which cannot prevent it: `sendSignal("SIGKILL")`.
   *
   * @returns as {@link sendSignal} does
   * @see https://docs.python.org/3/library/asyncio-subprocess.html#asyncio.asyncio.subprocess.Process.kill
   */
  kill(): boolean {
    return this.#send("SIGKILL");
  }

  /** For `within`. */
  enter(): this {
    return this;
  }

  /** For `within`: ends the child if it still runs, waits for its end, and closes the pipes. */
  *exit(): Coroutine<void> {
    const { stdin, stdout, stderr } = this.#pipes;
    const pipes = [stdin, stdout, stderr].filter((pipe) => pipe !== undefined);
    try {
      stdin?.writer.close();
      stdout?.discard();
      stderr?.discard();
      if (!this.#gone) yield* this.#end();
    } finally {
      for (const pipe of pipes) pipe.abort();
      this.kill();
      // of a group, zombies that nobody has collected may be left
      if (this.#returnCode !== null) this.#leave();
    }
    for (const pipe of pipes) yield* pipe.waitLost();
  }

  /** @internal The loop is closed. Nobody waits for the child any more. */
  _loopClosed(): void {
    try {
      this.kill();
    } catch {
      // it belongs to another user by now
    }
    this.#child.unref();
  }

  *#end(): Coroutine<void> {
    this.terminate();
    const killer = this.#loop.callLater(this.#gracePeriod, () => void this.kill());
    let interruption: { readonly error: unknown } | undefined;
    try {
      for (;;) {
        try {
          yield* this.#waitGone();
          break;
        } catch (error) {
          interruption = { error };
          this.kill();
        }
      }
    } finally {
      killer.cancel();
    }
    if (interruption !== undefined) throw interruption.error;
  }

  *#waitGone(): Coroutine<void> {
    yield* this.wait();
    for (
      let pause = 1;
      !this.#gone && !this.#killed && groupLives(this.pid);
      pause = Math.min(2 * pause, LONGEST_LOOK)
    ) {
      yield* sleep(pause);
    }
  }

  #exit(code: number | null, signal: NodeJS.Signals | null): void {
    this.#returnCode = signal === null ? code : -constants.signals[signal];
    this.#signal = signal;
    if (!this.#processGroup || !groupLives(this.pid)) this.#leave();
    if (!this.#loop.closed) this.#exited.set();
  }

  #leave(): void {
    this.#gone = true;
    closed(this.#loop, this);
  }

  #send(signal: NodeJS.Signals): boolean {
    if (this.#gone) return false;
    if (signal === "SIGKILL") this.#killed = true;
    try {
      process.kill(this.#processGroup ? -this.pid : this.pid, signal);
      return true;
    } catch (error) {
      const ended = this.#returnCode !== null;
      const { code } = error as NodeJS.ErrnoException;
      // macOS refuses what is sent to a group of which only zombies are left
      if (code !== "ESRCH" && !(code === "EPERM" && this.#processGroup && ended)) throw error;
      if (ended) this.#leave();
      return false;
    }
  }
}

function* readAll(reader: StreamReader | undefined): Coroutine<Uint8Array | undefined> {
  return reader === undefined ? undefined : yield* reader.read();
}

function* feed(writer: StreamWriter | undefined, input: Uint8Array | string | undefined): Coroutine<void> {
  if (writer === undefined) return;
  try {
    if (input !== undefined && input.length > 0) {
      writer.write(input);
      yield* writer.drain();
    }
  } catch (error) {
    if (!STOPPED_READING.has((error as { code?: unknown } | undefined)?.code)) throw error;
  }
  writer.close();
}

const STOPPED_READING = new Set<unknown>(["EPIPE", "ECONNRESET", "EOF", "ERR_CORIO_CONNECTION_LOST"]);
