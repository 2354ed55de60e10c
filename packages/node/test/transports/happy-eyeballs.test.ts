import { createTask, type Coroutine, isCancelled, sleep } from "corio";
import { describe, expect, test } from "vitest";
import { now } from "../../../corio/test/support/later.js";
import { runCleanly } from "../../../corio/test/support/run-cleanly.js";
import { happyEyeballs } from "../support/internals.js";
import { thrownBy } from "../support/thrown-by.js";

/** An address that answers after so many milliseconds: with a connection, or an error. */
interface Fake {
  readonly family: 4 | 6;
  readonly name: string;
  readonly after: number;
  readonly error?: string;
}

/** What was made, and what became of it. */
class Network {
  readonly log: string[] = [];
  readonly open = new Set<string>();

  *connect({ name, after, error }: Fake): Coroutine<Connection> {
    this.log.push(`${now()} ${name}`);
    try {
      yield* sleep(after);
    } catch (reason) {
      this.log.push(`${now()} ${name} given up`);
      throw reason;
    }
    if (error !== undefined) throw Object.assign(new Error(`${name}: ${error}`), { code: error });
    return new Connection(name, this.open);
  }

  race(addresses: readonly Fake[], delay = 250): Coroutine<Connection> {
    return happyEyeballs(addresses, delay, "example.com port 80", (address) => this.connect(address));
  }
}

class Connection {
  readonly name: string;
  readonly #open: Set<string>;

  constructor(name: string, open: Set<string>) {
    this.name = name;
    this.#open = open.add(name);
  }

  destroy(): void {
    this.#open.delete(this.name);
  }
}

const four = (name: string, after: number, error?: string): Fake => fake(4, name, after, error);
const six = (name: string, after: number, error?: string): Fake => fake(6, name, after, error);

function fake(family: 4 | 6, name: string, after: number, error: string | undefined): Fake {
  return { family, name, after, ...(error === undefined ? {} : { error }) };
}

/** Races on virtual time. Gives who won, what was tried when, and what is open at the end. */
function race(addresses: readonly Fake[], delay?: number) {
  const network = new Network();
  const run = runCleanly(function* () {
    const { name } = yield* network.race(addresses, delay);
    return name;
  });
  expect([...network.open], "open").toEqual([run.result]);
  return { winner: run.result, duration: run.duration, log: network.log };
}

describe("happyEyeballs", () => {
  test("takes the first address where it answers in time, and tries no other", () => {
    expect(race([six("a", 249), four("b", 0)])).toEqual({ winner: "a", duration: 249, log: ["0 a"] });
  });

  test("tries the next one after the delay, and gives up who has not answered when one has", () => {
    expect(race([six("a", 10_000), four("b", 30)])).toEqual({
      winner: "b",
      duration: 280,
      log: ["0 a", "250 b", "280 a given up"],
    });
  });

  test("waits on for the first one when it has begun with the second", () => {
    expect(race([six("a", 260), four("b", 10_000)])).toEqual({
      winner: "a",
      duration: 260,
      log: ["0 a", "250 b", "260 b given up"],
    });
  });

  test("tries the next one at once where one fails", () => {
    expect(race([six("a", 20, "ENETUNREACH"), four("b", 30)])).toEqual({
      winner: "b",
      duration: 50,
      log: ["0 a", "20 b"],
    });
  });

  test("gives each one its whole delay, counted from its own beginning", () => {
    expect(race([six("a", 100, "ECONNREFUSED"), six("b", 9_999), six("c", 9_999), six("d", 5)])).toEqual({
      winner: "d",
      duration: 605,
      log: ["0 a", "100 b", "350 c", "600 d", "605 b given up", "605 c given up"],
    });
  });

  test("alternates between the families, the system's first one first, each in the system's order", () => {
    const tried = race(
      [four("4a", 9_999), four("4b", 9_999), six("6a", 9_999), four("4c", 9_999), six("6b", 1)],
      10,
    ).log;
    expect(tried.filter((entry) => !entry.endsWith("given up"))).toEqual(["0 4a", "10 6a", "20 4b", "30 6b"]);
  });

  test("with a delay of 0 tries all at once", () => {
    const { winner, log } = race([six("a", 30), six("b", 20), six("c", 10)], 0);
    expect(winner).toBe("c");
    expect(log.slice(0, 3)).toEqual(["0 a", "0 b", "0 c"]);
  });

  test("with an endless delay tries one after another", () => {
    expect(race([six("a", 5_000, "ETIMEDOUT"), four("b", 7_000)], Number.POSITIVE_INFINITY)).toEqual({
      winner: "b",
      duration: 12_000,
      log: ["0 a", "5000 b"],
    });
  });

  test("throws the error of the only address as it is", () => {
    runCleanly(function* () {
      const error = yield* thrownBy(new Network().race([six("a", 1, "ECONNREFUSED")]));
      expect(error).toMatchObject({ message: "a: ECONNREFUSED", code: "ECONNREFUSED" });
      expect(error).not.toBeInstanceOf(AggregateError);
    });
  });

  test("throws an AggregateError of all errors, with the code of the first, where all fail", () => {
    runCleanly(function* () {
      const failing = [six("a", 300, "ENETUNREACH"), four("b", 10, "ECONNREFUSED"), six("c", 0, "EHOSTUNREACH")];
      const error = yield* thrownBy(new Network().race(failing));
      expect(error).toBeInstanceOf(AggregateError);
      // in the order in which they failed
      expect((error as AggregateError).errors.map(({ message }) => message)).toEqual([
        "b: ECONNREFUSED",
        "c: EHOSTUNREACH",
        "a: ENETUNREACH",
      ]);
      expect(error).toMatchObject({ code: "ECONNREFUSED", message: expect.stringContaining("example.com port 80") });
      expect((error as Error).message).toContain("b: ECONNREFUSED; c: EHOSTUNREACH; a: ENETUNREACH");
      expect(now()).toBe(300);
    });
  });

  test("takes who connects although others have failed", () => {
    expect(race([six("a", 1, "EHOSTUNREACH"), six("b", 1, "EHOSTUNREACH"), four("c", 1)], 250).winner).toBe("c");
  });

  test("destroys the second connection where two come at the same moment", () => {
    // race() looks at what is open
    expect(race([six("a", 260), four("b", 10)])).toMatchObject({ winner: "a", duration: 260 });
    expect(race([six("a", 510), four("b", 260), six("c", 10)])).toMatchObject({ duration: 510 });
  });

  test("that is cancelled gives up all it tries", () => {
    const network = new Network();
    runCleanly(function* () {
      const task = createTask(network.race([six("a", 10_000), four("b", 10_000), six("c", 10_000)]));
      yield* sleep(300);
      task.cancel("enough");
      const error = yield* thrownBy(task);
      expect(error).toSatisfy(isCancelled);
      expect(error).toMatchObject({ reason: "enough" });
      expect(network.log).toEqual(["0 a", "250 b", "300 a given up", "300 b given up"]);
      expect(network.open.size).toBe(0);
    });
  });

  test("leaves nothing open, whenever it is cancelled: while it wins, and while it clears up after the losers", () => {
    // The steps around the moment at which b connects, and a is given up, whose cleanup takes a while.
    for (let step = 0; step < 12; step++) {
      const network = new Network();
      runCleanly(function* () {
        function* slowToGiveUp(address: Fake): Coroutine<Connection> {
          try {
            return yield* network.connect(address);
          } finally {
            yield* sleep(address.name === "a" ? 2 : 0);
          }
        }
        const task = createTask(
          happyEyeballs([six("a", 10_000), four("b", 10)], 250, "example.com port 80", slowToGiveUp),
        );
        yield* sleep(259);
        for (let i = 0; i < step; i++) yield* sleep(i === 0 ? 1 : i < 9 ? 0 : 1);
        task.cancel();
        try {
          (yield* task).destroy();
        } catch (error) {
          expect(error).toSatisfy(isCancelled);
        }
        yield* sleep(10);
        expect([...network.open], `cancelled at step ${step}`).toEqual([]);
      });
    }
  });
});
