import { createReadStream, createWriteStream, fstatSync } from "node:fs";
import { Socket } from "node:net";
import { type Duplex, Readable, Writable } from "node:stream";
import { isatty, ReadStream, WriteStream } from "node:tty";
import { type Coroutine, getRunningLoop } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { checkFactory } from "./create-connection.js";
import type { Protocol } from "./protocol.js";
import { Transport } from "./transport.js";

/**
 * Reads a pipe, for a protocol written with callbacks.
 *
 * The pipe is the transport's from then on, and is closed with it. `process.stdin` is not: closing the transport leaves it
 * open, and no longer read.
 *
 * @param protocolFactory makes the protocol; a function, such as `() => new Lines()`
 * @param pipe a file descriptor of a pipe, a FIFO, a socket or a terminal, or a Readable of Node, such as `process.stdin`
 * @returns the transport, which cannot be written to, and the protocol, once `connectionMade` was called
 * @throws a `TypeError` for a file or a directory, and for what is no pipe at all; Node's error with its `code` (`EBADF`)
 *
 * *If cancelled*, nothing changes: it does not wait.
 * @example
 * const [transport] = yield* connectReadPipe(() => ({ dataReceived: (data) => console.log(data.length) }), process.stdin);
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.connect_read_pipe
 */
export function* connectReadPipe<P extends Protocol>(
  protocolFactory: () => P,
  pipe: number | Readable,
): Coroutine<[transport: Transport, protocol: P]> {
  checkFactory(protocolFactory, "connectReadPipe");
  if (pipe === 0 || pipe === process.stdin) return begin(protocolFactory, () => borrowReadable(process.stdin), "in");
  if (typeof pipe === "number") {
    checkDescriptor(pipe, READ);
    return begin(protocolFactory, () => openToRead(pipe), "in");
  }
  const { read, readableObjectMode, readableEnded, destroyed } = (pipe ?? {}) as Partial<Readable>;
  if (typeof read !== "function" || readableObjectMode) throw noPipe(pipe, READ);
  if (readableEnded || destroyed) throw ended(READ);
  return begin(protocolFactory, () => pipe, "in");
}

/**
 * Writes to a pipe, for a protocol written with callbacks.
 *
 * The pipe is the transport's from then on, and is closed with it. `process.stdout` and `process.stderr` are not: closing the
 * transport sends them what is buffered, and leaves them open.
 *
 * @param protocolFactory makes the protocol; a function, such as `() => new Log()`
 * @param pipe a file descriptor of a pipe, a FIFO, a socket or a terminal, or a Writable of Node, such as `process.stdout`
 * @returns the transport, which cannot be read, and the protocol, once `connectionMade` was called
 * @throws a `TypeError` for a file or a directory, and for what is no pipe at all; Node's error with its `code` (`EBADF`)
 *
 * *If cancelled*, nothing changes: it does not wait.
 * @example
 * const [transport] = yield* connectWritePipe(() => ({}), process.stdout);
 * transport.write("hello\n");
 * transport.close();
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.connect_write_pipe
 */
export function* connectWritePipe<P extends Protocol>(
  protocolFactory: () => P,
  pipe: number | Writable,
): Coroutine<[transport: Transport, protocol: P]> {
  checkFactory(protocolFactory, "connectWritePipe");
  if (pipe === 1 || pipe === process.stdout) return begin(protocolFactory, () => borrowWritable(process.stdout), "out");
  if (pipe === 2 || pipe === process.stderr) return begin(protocolFactory, () => borrowWritable(process.stderr), "out");
  if (typeof pipe === "number") {
    checkDescriptor(pipe, WRITE);
    return begin(protocolFactory, () => openToWrite(pipe), "out");
  }
  const { write, writableObjectMode, writableEnded, destroyed } = (pipe ?? {}) as Partial<Writable>;
  if (typeof write !== "function" || writableObjectMode) throw noPipe(pipe, WRITE);
  if (writableEnded || destroyed) throw ended(WRITE);
  return begin(protocolFactory, () => pipe, "out");
}

interface Use {
  readonly call: string;
  readonly stream: string;
  readonly standard: string;
  /** The standard streams that go the other way. */
  readonly others: readonly number[];
  readonly file: string;
}

const READ: Use = {
  call: "connectReadPipe",
  stream: "a Readable of bytes",
  standard: "process.stdin",
  others: [1, 2],
  file: "createReadStream",
};
const WRITE: Use = {
  call: "connectWritePipe",
  stream: "a Writable of bytes",
  standard: "process.stdout",
  others: [0],
  file: "createWriteStream",
};

function begin<P extends Protocol>(
  factory: () => P,
  open: () => Readable | Writable,
  direction: "in" | "out",
): [Transport, P] {
  const loop = getRunningLoop();
  const protocol = factory();
  const transport = new Transport(loop, open() as Duplex, { direction });
  transport._begin(protocol);
  return [transport, protocol];
}

function openToRead(fd: number): Readable {
  const kind = kindOf(fd);
  if (kind === "terminal") return new ReadStream(fd);
  if (kind === "device") return createReadStream("", { fd });
  return new Socket({ fd, readable: true, writable: false });
}

function openToWrite(fd: number): Writable {
  const kind = kindOf(fd);
  if (kind === "terminal") return new WriteStream(fd);
  if (kind === "device") return createWriteStream("", { fd });
  return new Socket({ fd, readable: false, writable: true });
}

function kindOf(fd: number): "terminal" | "device" | "pipe" | undefined {
  if (isatty(fd)) return "terminal";
  const stats = fstatSync(fd);
  if (stats.isCharacterDevice()) return "device";
  return stats.isFIFO() || stats.isSocket() ? "pipe" : undefined;
}

function checkDescriptor(fd: number, use: Use): void {
  if (!(Number.isInteger(fd) && fd >= 0)) throw noPipe(fd, use);
  if (use.others.includes(fd)) {
    throw invalidArgument(
      "PIPE",
      `${use.call} got ${fd}, a standard stream that goes the other way: write ${use.standard}`,
    );
  }
  if (kindOf(fd) === undefined) {
    throw invalidArgument(
      "PIPE",
      `${use.call} takes pipes, FIFOs, sockets and terminals, and ${fd} is a file or a directory: give it ${use.file}(path) of node:fs instead`,
    );
  }
}

function noPipe(pipe: unknown, { call, stream, standard }: Use): TypeError {
  const given = typeof pipe === "object" && pipe !== null ? "another object" : String(pipe);
  return invalidArgument("PIPE", `${call} takes a file descriptor or ${stream}, such as ${standard}, not ${given}`);
}

function ended({ call }: Use): TypeError {
  return invalidArgument("PIPE", `${call} got a stream that has ended or was destroyed: it takes one that is open`);
}

/** What this process's stdin gives; destroying it leaves that open, since the descriptor must not become another file's. */
function borrowReadable(source: Readable): Readable {
  const onData = (chunk: Buffer | string): void => {
    if (!borrowed.push(chunk)) source.pause();
  };
  const onEnd = (): void => void borrowed.push(null);
  const onError = (error: Error): void => void borrowed.destroy(error);
  const onClose = (): void => void borrowed.destroy();
  const borrowed = new Readable({
    read: () => void source.resume(),
    destroy: (error, done) => {
      source.off("data", onData).off("end", onEnd).off("error", onError).off("close", onClose);
      source.pause();
      // paused while it hands on a chunk, stdin goes on reading once more, which would keep the process alive
      setImmediate(() => {
        if (source.isPaused()) source.resume().pause();
      });
      done(error);
    },
  });
  if (source.readableEnded) borrowed.push(null);
  else source.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose);
  return borrowed;
}

/** What goes to this process's stdout or stderr; ending and destroying it leaves those open, for all others who write there. */
function borrowWritable(target: Writable): Writable {
  const onError = (error: Error): void => void borrowed.destroy(error);
  const borrowed = new Writable({
    decodeStrings: false,
    write: (chunk, encoding, done) => void target.write(chunk, encoding, done),
    writev: (chunks, done) => {
      target.cork();
      for (const [i, { chunk, encoding }] of chunks.entries()) {
        target.write(chunk, encoding, i === chunks.length - 1 ? done : undefined);
      }
      target.uncork();
    },
    destroy: (error, done) => {
      // the callback of a write that fails comes before the event that would end the process if nobody heard it
      setImmediate(() => target.off("error", onError));
      done(error);
    },
  });
  target.on("error", onError);
  return borrowed;
}
