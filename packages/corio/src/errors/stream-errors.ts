import { CorioError } from "./corio-error.js";

/** A stream ended before as much was read as was asked for. */
export class IncompleteReadError extends CorioError {
  override readonly name: string = "IncompleteReadError";
  /** What was read before the end, in bytes. */
  readonly partial: Uint8Array;
  /** How many bytes were asked for; `undefined` when the read was up to a separator. */
  readonly expected: number | undefined;

  constructor(partial: Uint8Array, expected?: number) {
    super(
      "ERR_CORIO_INCOMPLETE_READ",
      `the stream ended after ${partial.length} bytes of ${expected ?? "an unknown number"} that were asked for`,
    );
    this.partial = partial;
    this.expected = expected;
  }
}

/** A separator was not found within the limit of a stream's buffer. */
export class LimitOverrunError extends CorioError {
  override readonly name: string = "LimitOverrunError";
  /** How many bytes of the buffer belong to what was looked at. */
  readonly consumed: number;

  constructor(message: string, consumed: number) {
    super("ERR_CORIO_LIMIT_OVERRUN", message);
    this.consumed = consumed;
  }
}
