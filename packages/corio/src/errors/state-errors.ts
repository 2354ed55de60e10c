import { CorioError, textOf } from "./corio-error.js";

/**
 * A future or a task was asked for what its state does not allow: a result before there is one, a second result.
 *
 * @see https://docs.python.org/3/library/asyncio-exceptions.html#asyncio.InvalidStateError
 */
export class InvalidStateError extends CorioError {
  override readonly name: string = "InvalidStateError";

  constructor(message = textOf("INVALID_STATE", undefined)) {
    super("ERR_CORIO_INVALID_STATE", message);
  }
}

/** A function that needs a running loop was called where none is running. */
export class NoRunningLoopError extends CorioError {
  override readonly name: string = "NoRunningLoopError";

  constructor(message = textOf("NO_RUNNING_LOOP")) {
    super("ERR_CORIO_NO_RUNNING_LOOP", message);
  }
}

/**
 * Nothing is left that could ever wake the tasks that a run waits for. The message lists every task with what it waits for, who
 * holds that, and who wait for each other in a circle.
 */
export class DeadlockError extends CorioError {
  override readonly name: string = "DeadlockError";

  constructor(message: string) {
    super("ERR_CORIO_DEADLOCK", message);
  }
}

/**
 * A barrier was broken while a task waited at it, or is broken already.
 *
 * @see https://docs.python.org/3/library/asyncio-sync.html#asyncio.BrokenBarrierError
 */
export class BrokenBarrierError extends CorioError {
  override readonly name: string = "BrokenBarrierError";

  constructor(message = textOf("BROKEN_BARRIER")) {
    super("ERR_CORIO_BROKEN_BARRIER", message);
  }
}
