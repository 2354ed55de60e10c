import type { Socket } from "node:net";
import { setTimeout } from "node:timers/promises";

/** How a connection ended, seen from here: by the other side in good order, by an error (such as `"ECONNRESET"`), or by us. */
export type HowEnded = "end" | "closed by us" | (string & {});

/** One end of a connection that sends what it is told, byte for byte, and takes in all that comes. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #watchers = new Set<() => void>();
  #received: Buffer = Buffer.alloc(0);
  #ended: HowEnded | undefined;
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (data: Buffer) => {
      this.#received = Buffer.concat([this.#received, data]);
      this.#changed();
    });
    socket.on("end", () => {
      this.#ended ??= "end";
      this.#changed();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#ended ??= error.code ?? error.message;
    });
    socket.on("close", () => {
      this.#ended ??= "closed by us";
      this.#closed = true;
      this.#changed();
    });
  }

  /** How the other side ended it, as far as is known. */
  get ended(): HowEnded | undefined {
    return this.#ended;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** What has come and was not taken, as Latin-1. */
  get received(): string {
    return this.#received.toString("latin1");
  }

  /** Its length in bytes. */
  get receivedLength(): number {
    return this.#received.length;
  }

  /** Takes so many bytes of what has come. */
  take(length: number): Buffer {
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  /**
   * Sends bytes, or a text as Latin-1.
   *
   * @returns (when they are on their way) whether they could be sent
   */
  send(data: string | Uint8Array): Promise<boolean> {
    return new Promise((resolve) => {
      if (!this.#socket.writable) return resolve(false);
      this.#socket.write(typeof data === "string" ? Buffer.from(data, "latin1") : data, (error) => resolve(!error));
    });
  }

  /**
   * Sends byte by byte, with a pause after each.
   *
   * @param ms milliseconds
   * @returns how many were sent before the other side had enough
   */
  async drip(text: string, ms: number): Promise<number> {
    for (let sent = 0; sent < text.length; sent++) {
      if (this.#ended !== undefined || !(await this.send(text.charAt(sent)))) return sent;
      await setTimeout(ms);
    }
    return text.length;
  }

  /** Waits until something holds, which is looked at whenever something has come. @throws if the other side ends before */
  async until(holds: () => boolean): Promise<void> {
    await this.#changedTo(() => holds() || this.#ended !== undefined);
    if (!holds()) throw new Error(`the connection is over (${this.#ended}) after ${JSON.stringify(this.received)}`);
  }

  /** Waits until the other side has ended it. */
  async over(): Promise<HowEnded> {
    await this.#changedTo(() => this.#ended !== undefined);
    return this.#ended as HowEnded;
  }

  /** Sends the end, and goes on receiving. */
  end(): void {
    this.#socket.end();
  }

  /** Takes nothing in any more, so that the other side has to wait. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Breaks it off, by which the other side gets ECONNRESET. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  /** Closes it, and waits for that. */
  async close(): Promise<void> {
    this.#socket.destroy();
    await this.#changedTo(() => this.#closed);
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #changedTo(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watcher = (): void => {
        if (!holds()) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
      watcher();
    });
  }
}
