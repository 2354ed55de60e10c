import { MessageChannel, type MessagePort, receiveMessageOnPort, type ResourceLimits } from "node:worker_threads";
import type { Tinypool } from "tinypool";
import { type Request, RESULT, type THROWN } from "./protocol.js";
import { transferList } from "./transfer-list.js";
import { type SlotOwner, WorkerSlot, type WorkerSlotOptions } from "./worker-slot.js";

type TransferList = Parameters<MessagePort["postMessage"]>[1] & unknown[];

/** @internal A thread. */
export class ThreadSlot extends WorkerSlot {
  protected readonly kind = "worker thread";
  #port: MessagePort | undefined;
  // see ThreadSetup
  readonly #cancelled = new Int32Array(new SharedArrayBuffer(4));
  #transferList: object[] | undefined;

  constructor(owner: SlotOwner, options: WorkerSlotOptions & { resourceLimits?: ResourceLimits | undefined }) {
    const { env, execArgv, resourceLimits } = options;
    super(owner, options, {
      runtime: "worker_threads",
      ...(env !== undefined && { env: { ...(process.env as Record<string, string>), ...env } }),
      ...(execArgv !== undefined && { execArgv: [...execArgv] }),
      ...(resourceLimits !== undefined && { resourceLimits }),
    });
  }

  protected override send(pool: Tinypool, request: Request, first: boolean): Promise<unknown> {
    let list = transferList.take(request[2] as unknown[]);
    if (first) {
      const { port1, port2 } = new MessageChannel();
      this.#port?.close();
      this.#port = port1;
      request[4] = { port: port2, cancelled: this.#cancelled };
      list = [port2, ...(list ?? [])];
      this.#transferList = list;
    }
    return list === undefined ? pool.run(request) : pool.run(request, { transferList: list as TransferList });
  }

  protected override retract(): void {
    // all but the port
    this.#transferList?.splice(1);
  }

  protected override unpack(answer: object): [succeeded: boolean, value: unknown] {
    const [kind] = answer as [typeof RESULT | typeof THROWN];
    // it was posted before the answer was
    const { message } = receiveMessageOnPort(this.#port as MessagePort) as { message: unknown };
    return [kind === RESULT, message];
  }

  protected override tell(number: number): void {
    Atomics.store(this.#cancelled, 0, number);
    this.#port?.postMessage(number);
  }

  protected override clone(value: unknown): unknown {
    return structuredClone(value);
  }

  protected override release(): void {
    this.#port?.close();
  }
}
