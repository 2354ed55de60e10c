import { DefaultSerializer, deserialize } from "node:v8";
import type { Tinypool, TinypoolChannel } from "tinypool";
import { type Answer, type CancelMessage, type Request, RESULT } from "./protocol.js";
import { type SlotOwner, WorkerSlot, type WorkerSlotOptions } from "./worker-slot.js";

/** @internal A process. */
export class ProcessSlot extends WorkerSlot {
  protected readonly kind = "worker process";
  #tell: ((message: CancelMessage) => void) | undefined;
  readonly #channel: TinypoolChannel = {
    onMessage: (tell) => {
      this.#tell = tell;
    },
  };

  constructor(owner: SlotOwner, options: WorkerSlotOptions) {
    super(owner, options, {
      runtime: "child_process",
      serialization: "advanced",
      env: { ...(process.env as Record<string, string>), ...options.env },
      ...(options.execArgv !== undefined && { execArgv: [...options.execArgv] }),
    });
  }

  protected override send(pool: Tinypool, request: Request): Promise<unknown> {
    // here, where it can be seen whether it can be sent
    request[2] = serialize(request[2]);
    return pool.run(request, { channel: this.#channel });
  }

  protected override retract(): void {}

  protected override unpack(answer: object): [succeeded: boolean, value: unknown] {
    const [kind, value] = deserialize(answer as Uint8Array) as Answer;
    return [kind === RESULT, value];
  }

  protected override tell(number: number): void {
    this.#tell?.({ corioCancels: number });
  }

  protected override clone(value: unknown): unknown {
    return serialize(value);
  }

  protected override release(): void {}
}

function serialize(value: unknown): Uint8Array {
  const serializer = new Serializer();
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

class Serializer extends DefaultSerializer {
  /** Node's own copies what is shared, without a word. */
  _writeHostObject(view: ArrayBufferView): void {
    if (view.buffer instanceof SharedArrayBuffer) throw new TypeError("shared memory cannot be sent to a process");
    (DefaultSerializer.prototype as unknown as { _writeHostObject(view: ArrayBufferView): void })._writeHostObject.call(
      this,
      view,
    );
  }
}
