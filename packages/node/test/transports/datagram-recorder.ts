import { createSocket } from "node:dgram";
import {
  allTasks,
  type Coroutine,
  currentTask,
  type ExceptionContext,
  Future,
  getRunningLoop,
  Queue,
  run,
  until,
} from "corio";
import { expect } from "vitest";
import { createDatagramEndpoint, type DatagramEndpointOptions } from "../../src/transports/datagram-endpoint.js";
import type { DatagramAddress, DatagramProtocol } from "../../src/transports/datagram-protocol.js";
import type { DatagramTransport } from "../../src/transports/datagram-transport.js";
import { text } from "../support/bytes.js";

/** Whether this machine has IPv6, which a container may lack. */
export const hasIPv6 = await new Promise<boolean>((resolve) => {
  const socket = createSocket("udp6");
  socket.on("error", () => socket.close(() => resolve(false)));
  socket.bind(0, "::1", () => socket.close(() => resolve(true)));
});

export const LOCAL = { host: "127.0.0.1", port: 0 };

/** Keeps what it is told. */
export class Recorder implements DatagramProtocol {
  readonly calls: string[] = [];
  readonly datagrams = new Queue<[data: string, from: DatagramAddress]>();
  readonly errors = new Queue<NodeJS.ErrnoException>();
  readonly lost = new Future<Error | undefined>();
  transport!: DatagramTransport;

  connectionMade(transport: DatagramTransport): void {
    this.calls.push("connectionMade");
    this.transport = transport;
  }

  datagramReceived(data: Uint8Array, from: DatagramAddress): void {
    this.calls.push("datagramReceived");
    this.datagrams.putNowait([text(data), from]);
  }

  errorReceived(error: NodeJS.ErrnoException): void {
    this.calls.push("errorReceived");
    this.errors.putNowait(error);
  }

  connectionLost(error: Error | undefined): void {
    this.calls.push("connectionLost");
    this.lost.setResult(error);
  }

  pauseWriting(): void {
    this.calls.push("pauseWriting");
  }

  /** The text of the next datagram. */
  *text(): Coroutine<string> {
    return (yield* this.datagrams.get())[0];
  }

  *close(): Coroutine<Error | undefined> {
    this.transport.close();
    return yield* this.lost;
  }
}

/** Sends everything back. */
export class Echo extends Recorder {
  override datagramReceived(data: Uint8Array, from: DatagramAddress): void {
    this.transport.sendTo(data, from);
  }
}

export function* open(options: DatagramEndpointOptions): Coroutine<Recorder> {
  return (yield* createDatagramEndpoint(() => new Recorder(), options))[1];
}

/** Where it receives, for whoever opens an endpoint that sends there. */
export function hostOf(transport: DatagramTransport): { host: string; port: number } {
  const { address, port } = transport.getExtraInfo("sockname")!;
  return { host: address, port };
}

export const sockets = (): string[] => process.getActiveResourcesInfo().filter((name) => name === "UDPWrap");

/** Waits until so many sockets are left: one that is closed is there for a little while. */
export function* socketsLeft(count: number): Coroutine<void> {
  for (let i = 0; i < 1_000 && sockets().length !== count; i++) yield* until(new Promise(setImmediate));
  expect(sockets(), "sockets left").toHaveLength(count);
}

/** Runs main, which closes all it opens, and expects that no socket and no task is left. Returns what was reported. */
export async function reportsOf(main: () => Coroutine<void>): Promise<ExceptionContext[]> {
  const reports: ExceptionContext[] = [];
  await run(function* () {
    const loop = getRunningLoop();
    loop.exceptionHandler = (_loop, context) => void reports.push(context);
    yield* main();
    yield* socketsLeft(0);
    const tasks = [...allTasks(loop)].filter((task) => task !== currentTask());
    expect(tasks, "tasks left").toEqual([]);
  });
  return reports;
}

/** As {@link reportsOf}, and expects that nothing is reported. */
export async function runCleanly(main: () => Coroutine<void>): Promise<void> {
  expect(await reportsOf(main), "reports").toEqual([]);
}

export const withCode = (code: string, message = /(?:)/): Error =>
  expect.objectContaining({ code: `ERR_CORIO_${code}`, message: expect.stringMatching(message) });

/** The error with which it fails. */
export function* failure(coroutine: Coroutine<unknown>): Coroutine<NodeJS.ErrnoException> {
  try {
    yield* coroutine;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  throw new Error("it did not fail");
}
