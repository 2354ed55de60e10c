import { CorioError, textOf } from "./corio-error.js";

/** `getNowait()` found the queue empty. */
export class QueueEmpty extends CorioError {
  override readonly name: string = "QueueEmpty";

  constructor(message = textOf("QUEUE_EMPTY")) {
    super("ERR_CORIO_QUEUE_EMPTY", message);
  }
}

/** `putNowait()` found the queue full. */
export class QueueFull extends CorioError {
  override readonly name: string = "QueueFull";

  constructor(message = textOf("QUEUE_FULL")) {
    super("ERR_CORIO_QUEUE_FULL", message);
  }
}

/** The queue was shut down: nothing can be put any more and, once it is empty, nothing can be got. */
export class QueueShutDown extends CorioError {
  override readonly name: string = "QueueShutDown";

  constructor(message = textOf("QUEUE_SHUT_DOWN")) {
    super("ERR_CORIO_QUEUE_SHUT_DOWN", message);
  }
}
