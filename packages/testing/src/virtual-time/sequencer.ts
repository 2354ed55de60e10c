import { type Coroutine, CorioError, Event } from "corio";

/** A place in an order: a context manager. */
export interface Place {
  /** Waits for its turn. */
  enter(): Coroutine<void>;
  /** Gives the next one its turn. */
  exit(): void;
}

/**
 * Forces an order between tasks: their blocks run one after another by number, whoever gets there first.
 *
 * @example
 * const sequencer = new Sequencer();
 * function* reader(): Coroutine<void> {
 *   yield* within(sequencer.at(0), () => prepare());
 *   yield* within(sequencer.at(2), () => save());
 * }
 * function* writer(): Coroutine<void> {
 *   yield* within(sequencer.at(1), () => update());
 * }
 * yield* gather(writer(), reader()); // prepare, update, save
 * @see https://trio.readthedocs.io/en/stable/reference-testing.html#trio.testing.Sequencer
 */
export class Sequencer {
  // an event for each position, set when its turn has come
  readonly #turns = new Map<number, Event>();
  readonly #taken = new Set<number>();
  #broken = false;

  constructor() {
    this.#turn(0).set();
  }

  /**
   * The place of a block in the order.
   *
   * @param position from 0; each may be used once
   * @returns a context manager: entering it waits until the block of the position before was left
   * @throws a `CorioError` if the position was used before. Entering it throws one if a task was cancelled while it waited for its
   * place: those after it could wait for ever
   *
   * *If cancelled* while it waits for its turn, the order is broken, and all who wait for theirs hear of it.
   */
  at(position: number): Place {
    if (!(Number.isInteger(position) && position >= 0)) {
      throw new CorioError("ERR_CORIO_SEQUENCER", `at(position) takes a whole number from 0, not ${String(position)}`);
    }
    if (this.#taken.has(position)) {
      throw new CorioError("ERR_CORIO_SEQUENCER", `at(${position}) was called before: each position has one block`);
    }
    this.#taken.add(position);
    return {
      enter: () => this.#enter(position),
      exit: () => this.#turn(position + 1).set(),
    };
  }

  *#enter(position: number): Coroutine<void> {
    if (!this.#broken) {
      try {
        yield* this.#turn(position).wait();
      } catch (error) {
        this.#break();
        throw error;
      }
    }
    if (this.#broken) {
      throw new CorioError(
        "ERR_CORIO_SEQUENCER_BROKEN",
        "a task that waited for its place in this order was cancelled",
      );
    }
  }

  #break(): void {
    this.#broken = true;
    for (const turn of this.#turns.values()) turn.set();
  }

  #turn(position: number): Event {
    let turn = this.#turns.get(position);
    if (turn === undefined) this.#turns.set(position, (turn = new Event()));
    return turn;
  }
}
