import { type Random, randomFrom } from "../random/random.js";
import type { CheckedConditions } from "./network-conditions.js";

const LONGEST_RETRANSMISSION = 120_000;
const DRAWS = 2 ** 32;

/** What the conditions do to one direction of one connection: it draws from random numbers of its own. */
export class Weather {
  readonly #conditions: CheckedConditions;
  readonly #random: Random;

  /** @param number of the direction, counted over all connections of the network */
  constructor(conditions: CheckedConditions, number: number) {
    this.#conditions = conditions;
    this.#random = randomFrom(Math.imul(conditions.seed, 0x9e3779b1) + number);
  }

  /** How long the next segment is under way, in milliseconds. */
  delay(): number {
    const { latency, loss, retransmission } = this.#conditions;
    let delay = this.#between(latency);
    for (let again = retransmission; this.#happens(loss); again = Math.min(2 * again, LONGEST_RETRANSMISSION))
      delay += again;
    return delay;
  }

  /** Whether the connection breaks when the next segment is to arrive. */
  breaks(): boolean {
    return this.#happens(this.#conditions.disconnect);
  }

  /** How many bytes the next segment has at most. */
  segment(): number {
    return this.#wholeBetween(this.#conditions.segment);
  }

  /** After how many bytes the connection breaks. */
  lifetime(): number {
    return this.#wholeBetween(this.#conditions.disconnectAfter);
  }

  #happens(probability: number): boolean {
    return probability > 0 && this.#random(DRAWS) < probability * DRAWS;
  }

  #between([from, to]: readonly [number, number]): number {
    return from === to ? from : from + (this.#random(DRAWS) / DRAWS) * (to - from);
  }

  #wholeBetween([from, to]: readonly [number, number]): number {
    return from === to ? from : from + this.#random(to - from + 1);
  }
}
