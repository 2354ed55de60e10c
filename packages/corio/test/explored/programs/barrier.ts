import assert from "node:assert/strict";
import { Barrier, BrokenBarrierError, type Coroutine, createTask, isCancelled, sleep, type Task } from "corio";
import { allEnded } from "./all-ended.js";

const PARTIES = 3;

/**
 * Four tasks that come to a barrier of three, as often as it takes. Nobody goes on before three are there; the positions of those
 * who go on together are different ones; whoever is cancelled meanwhile is one less, and the others wait for one more.
 */
export function* generations(): Coroutine<void> {
  const barrier = new Barrier(PARTIES);
  let present = 0;
  // of the generation that is on its way out
  let positions: number[] = [];
  let cancelled = 0;

  function endOfGeneration(): void {
    if (barrier.state === "draining") return;
    positions = [];
    cancelled = 0;
  }

  function* party(rounds: number): Coroutine<void> {
    for (let round = 0; round < rounds; round++) {
      present++;
      try {
        const position = yield* barrier.wait();
        if (positions.length === 0) assert.ok(present + cancelled >= PARTIES, `only ${present} were there`);
        positions.push(position);
        assert.equal(new Set(positions).size, positions.length, `two have the same position: ${positions.join(", ")}`);
        assert.ok(position >= 0 && position < PARTIES && positions.length <= PARTIES);
      } catch (error) {
        if (isCancelled(error) && barrier.state === "draining") cancelled++;
        throw error;
      } finally {
        present--;
        endOfGeneration();
      }
    }
  }

  const tasks = ["A", "B", "C", "D"].map((name) => createTask(party(name === "D" ? 3 : 1), { name }));
  while (tasks.some(({ done }) => !done)) {
    yield* sleep(1); // now all others wait
    assert.equal(barrier.state, "filling");
    assert.equal(barrier.waiting, present);
    for (let missing = PARTIES - present; missing > 0 && missing < PARTIES; missing--) {
      tasks.push(createTask(party(1), { name: "one more" }));
    }
  }
  yield* allEnded(tasks);
  assert.equal(barrier.count, 0);
}

/**
 * A barrier at which too few wait, while one task resets it and another one aborts it: whoever waits gets a BrokenBarrierError, and
 * once it is reset again it is as new.
 */
export function* resetAndAbort(): Coroutine<void> {
  const barrier = new Barrier(PARTIES);

  function* party(): Coroutine<number | "broken"> {
    try {
      return yield* barrier.wait();
    } catch (error) {
      if (error instanceof BrokenBarrierError) return "broken";
      throw error;
    }
  }

  const parties: Task<unknown>[] = ["A", "B"].map((name) => createTask(party, { name }));
  const tasks = [
    ...parties,
    createTask(barrier.reset(), { name: "reset" }),
    createTask(barrier.abort(), { name: "abort" }),
  ];
  yield* sleep(1); // now all others wait
  assert.ok(barrier.state === "filling" || barrier.state === "broken", barrier.state);
  yield* barrier.abort();
  assert.equal(barrier.broken, true);
  yield* allEnded(tasks);
  for (const task of parties) if (!task.cancelled) assert.equal(task.result(), "broken");
  assert.equal(barrier.count, 0);

  yield* barrier.reset();
  assert.equal(barrier.state, "filling");
  const again = ["A", "B", "C"].map((name) => createTask(party, { name: `${name} again` }));
  yield* sleep(1);
  if (again.every(({ cancelling }) => cancelling === 0))
    assert.deepEqual(new Set(again.map((task) => task.result())), new Set([0, 1, 2]));
  else yield* barrier.abort();
  yield* allEnded(again);
  assert.equal(barrier.count, 0);
}
