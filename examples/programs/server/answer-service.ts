import type { Server, StreamReader, StreamWriter } from "@corio/node";
import {
  type Coroutine,
  Event,
  getRunningLoop,
  isCancelled,
  sleep,
  type Timeout,
  TimeoutError,
  timeout,
  within,
} from "corio";

/** How many lines an answer has. */
export const LINES = 3;

/**
 * Answers questions, one after another on each connection, until it is told to stop. A question is a line `name pause`, its
 * answer several lines, so many milliseconds apart.
 */
export class AnswerService {
  readonly counts = { accepted: 0, answered: 0, cancelled: 0, abandoned: 0 };
  readonly #stopping = new Event();
  readonly #idle = new Set<StreamWriter>();

  /** How many questions are being answered. */
  get inFlight(): number {
    const { accepted, answered, cancelled, abandoned } = this.counts;
    return accepted - answered - cancelled - abandoned;
  }

  /** Can be called from anywhere: a coroutine, a timer, the handler of a signal. */
  stop(): void {
    this.#stopping.set();
  }

  /**
   * Serves until it is told to stop, and then until the last answer is out: nobody is let in any more, who has not asked is
   * told goodbye at once, who has asked after the answer.
   *
   * @param grace how long answers may take from then on, in milliseconds; what takes longer is cancelled
   */
  *run(server: Server, grace: number): Coroutine<void> {
    try {
      // leaving a server's block waits for its connections; when time is up, their handlers are cancelled instead
      yield* within(timeout(null), server, (limit) => this.#untilStopped(limit, server, grace));
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
    }
  }

  *#untilStopped(limit: Timeout, server: Server, grace: number): Coroutine<void> {
    yield* this.#stopping.wait();
    limit.reschedule(getRunningLoop().time() + grace);
    server.close();
    console.log(`stopping with answers in flight: ${this.inFlight}, idle connections: ${this.#idle.size}`);
    for (const writer of this.#idle) sayGoodbye(writer);
  }

  /** Serves one connection. */
  *handle(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
    try {
      writer.write("hello\n");
      while (!this.#stopping.isSet) {
        const question = yield* this.#nextQuestion(reader, writer);
        // one that comes after the goodbye is not accepted, and its sender knows
        if (question === "" || this.#stopping.isSet) break;
        yield* this.#answer(question, writer);
      }
      sayGoodbye(writer);
    } catch (error) {
      // whoever leaves in the middle of an answer needs no report
      if (isCancelled(error) || !writer.isClosing) throw error;
    }
  }

  *#nextQuestion(reader: StreamReader, writer: StreamWriter): Coroutine<string> {
    this.#idle.add(writer);
    try {
      return new TextDecoder().decode(yield* reader.readline()).trimEnd();
    } finally {
      this.#idle.delete(writer);
    }
  }

  *#answer(question: string, writer: StreamWriter): Coroutine<void> {
    this.counts.accepted++;
    try {
      const [name, pause] = question.split(" ");
      for (let line = 1; line <= LINES; line++) {
        if (line > 1) yield* sleep(Number(pause));
        writer.write(`${name}: line ${line} of ${LINES}\n`);
        yield* writer.drain();
      }
      this.counts.answered++;
    } catch (error) {
      this.counts[isCancelled(error) ? "cancelled" : "abandoned"]++;
      throw error;
    }
  }
}

function sayGoodbye(writer: StreamWriter): void {
  writer.write("goodbye\n");
  writer.close();
}
