import type { Duplex } from "node:stream";
import type { EventLoop, Future } from "corio";
import { ConnectionLostError } from "../errors/connection-lost-error.js";
import { StreamProtocol } from "../streams/stream-protocol.js";
import type { StreamReader } from "../streams/stream-reader.js";
import type { StreamWriter } from "../streams/stream-writer.js";
import { Transport } from "../transports/transport.js";

/** @internal This process's end of a pipe to a child. */
export class ChildPipe {
  readonly #protocol: OutputProtocol;
  readonly #transport: Transport;

  constructor(loop: EventLoop, stream: Duplex, direction: "in" | "out", limit: number) {
    this.#protocol = new OutputProtocol(loop, limit);
    this.#transport = new Transport(loop, stream, { direction });
    this.#transport._begin(this.#protocol);
  }

  get reader(): StreamReader {
    return this.#protocol.reader;
  }

  get writer(): StreamWriter {
    return this.#protocol.writer;
  }

  /** What the child still writes is read, so that it can go on to its end, and dropped. */
  discard(): void {
    this.#protocol.discard();
    this.#transport.resumeReading();
  }

  abort(): void {
    this.#transport.abort();
  }

  waitLost(): Future<void> {
    return this.#protocol.waitLost();
  }
}

/** Takes care that output which is cut off does not look as if it were complete. */
class OutputProtocol extends StreamProtocol {
  #complete = false;
  #discarded: ConnectionLostError | undefined;

  discard(): void {
    if (this.#complete || this.#discarded !== undefined) return;
    this.#discarded = new ConnectionLostError(
      "the pipe was closed when the block of its process ended, and there was more to come: read the output inside of the block",
    );
    this.reader.setException(this.#discarded);
  }

  override dataReceived(data: Uint8Array): void {
    if (this.#discarded === undefined) super.dataReceived(data);
  }

  override eofReceived(): boolean {
    if (this.#discarded !== undefined) return false;
    this.#complete = true;
    return super.eofReceived();
  }

  override connectionLost(error: Error | undefined): void {
    super.connectionLost(this.#discarded ?? error);
  }
}
