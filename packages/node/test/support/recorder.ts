import { type Coroutine, type EventLoop, getRunningLoop, sleep } from "corio";
import type { Protocol, Transport } from "@corio/node";
import { text } from "./bytes.js";

/** A protocol that notes what it is told; data that come in several pieces as one. */
export class Recorder implements Protocol {
  readonly log: string[] = [];
  /** All data. */
  readonly pieces: Uint8Array[] = [];
  /** Why the connection ended. */
  error: unknown;
  #transport: Transport | undefined;
  #data = "";
  #loop: EventLoop | undefined;

  get transport(): Transport {
    return this.#transport as Transport;
  }

  connectionMade(transport: Transport): void {
    this.#transport = transport;
    this.note("connectionMade");
  }

  dataReceived(data: Uint8Array): void {
    this.#checkLoop();
    this.pieces.push(data);
    if (this.#data !== "") this.log.pop();
    this.#data += text(data);
    this.log.push(`dataReceived: ${this.#data}`);
  }

  eofReceived(): boolean | void {
    this.note("eofReceived");
  }

  connectionLost(error: Error | undefined): void {
    this.error = error;
    this.note(error === undefined ? "connectionLost" : `connectionLost: ${(error as { code?: string }).code ?? error}`);
  }

  pauseWriting(): void {
    this.note("pauseWriting");
  }

  resumeWriting(): void {
    this.note("resumeWriting");
  }

  /** Waits until something stands in the log. */
  *noted(entry: string | RegExp): Coroutine<void> {
    const matches = (noted: string): boolean => (typeof entry === "string" ? noted === entry : entry.test(noted));
    while (!this.log.some(matches)) yield* sleep(0);
  }

  /** Waits until the connection is lost. */
  over(): Coroutine<void> {
    return this.noted(/^connectionLost/);
  }

  protected note(entry: string): void {
    this.#checkLoop();
    this.#data = "";
    this.log.push(entry);
  }

  // all of it is told inside the loop
  #checkLoop(): void {
    this.#loop ??= getRunningLoop();
    if (getRunningLoop() !== this.#loop) throw new Error("a protocol is told something in another loop");
  }
}
