import assert from "node:assert/strict";
import {
  CorioError,
  type Coroutine,
  createTask,
  currentTask,
  ExceptionGroup,
  Future,
  getRunningLoop,
  isCancelled,
  sleep,
  type Task,
  TaskGroup,
  within,
} from "corio";
import { cancelledFromOutside } from "./outside.js";

/** The members of a group, and what they throw. */
class Members {
  readonly #injected: boolean;
  readonly #tasks: Task<unknown>[] = [];
  readonly #thrown: unknown[] = [];

  constructor(injected: boolean) {
    this.#injected = injected;
  }

  /** Adds one that cleans up when it is cancelled, which takes it a while. */
  add(group: TaskGroup, body: () => Coroutine<void>, afterCleanup?: () => void): void {
    this.#tasks.push(group.createTask(this.#member(body, afterCleanup), { name: `member ${this.#tasks.length + 1}` }));
  }

  readonly fail = (): never => {
    const error = new Error(`${currentTask().name} fails`);
    this.#thrown.push(error);
    throw error;
  };

  *#member(body: () => Coroutine<void>, afterCleanup?: () => void): Coroutine<void> {
    try {
      yield* body();
    } catch (error) {
      if (isCancelled(error)) yield* this.#cleanUp();
      if (isCancelled(error)) afterCleanup?.();
      throw error;
    }
  }

  *#cleanUp(): Coroutine<void> {
    let over = false;
    try {
      yield* sleep(0);
      over = true;
    } finally {
      assert.ok(over || this.#injected, `the cleanup of ${currentTask().name} was interrupted by a second request`);
    }
  }

  checkEnded(): void {
    const left = this.#tasks.filter(({ done }) => !done).map(({ name }) => name);
    assert.deepEqual(left, [], "the group was left before all its members had ended");
  }

  /** Errors go before cancellations: whatever members threw is told. */
  checkErrors(error: unknown): void {
    const told = error instanceof ExceptionGroup ? error.leaves() : [];
    for (const one of told) if (!this.#thrown.includes(one)) throw one;
    assert.equal(told.length, this.#thrown.length, "an error of a member is not told");
  }
}

function* forever(): Coroutine<void> {
  yield* new Future<void>();
}

/** Runs a block with groups in it, and checks what it comes to. Errors are caught; a cancellation from outside is not. */
function* family(members: Members, block: () => Coroutine<unknown>): Coroutine<void> {
  let thrown: unknown;
  try {
    yield* block();
  } catch (error) {
    thrown = error;
  }
  members.checkEnded();
  members.checkErrors(thrown);
  if (thrown !== undefined && !(thrown instanceof ExceptionGroup)) throw thrown;
  // here a cancellation from outside arrives that an error went before, and no other
  yield* sleep(0);
}

function* endOf(parent: Task<unknown>, injected: boolean, times: number): Coroutine<void> {
  // where members are cancelled by themselves, nobody may be left to end the group
  const help = injected ? getRunningLoop().callLater(1, () => parent.cancel()) : undefined;
  yield* cancelledFromOutside([parent], injected, { times });
  help?.cancel();
}

/**
 * A group in which one member fails, and another one while it is cancelled, so that the block has to be cancelled; and two requests
 * from outside. When the block is left all members have ended, once cleaned up; their errors are told; the requests arrive.
 */
export function* failing(injected: boolean): Coroutine<void> {
  const members = new Members(injected);

  function* fails(): Coroutine<void> {
    yield* sleep(0);
    members.fail();
  }

  const parent = createTask(
    family(members, () =>
      within(new TaskGroup(), function* (group) {
        members.add(group, forever, members.fail);
        members.add(group, fails);
        yield* forever();
      }),
    ),
    { name: "parent" },
  );
  yield* endOf(parent, injected, 2);
}

/**
 * A group to which a member adds another one, and that ends by its own `cancel()`; and two requests from outside, most of which come
 * while the block has ended and its members have not. That it was cancelled by itself is no error.
 */
export function* growing(injected: boolean): Coroutine<void> {
  const members = new Members(injected);

  const parent = createTask(
    family(members, () =>
      within(new TaskGroup(), function* (group) {
        members.add(group, function* () {
          yield* sleep(0);
          try {
            members.add(group, forever);
          } catch (error) {
            // it shuts down
            if (!(error instanceof CorioError)) throw error;
          }
        });
        members.add(group, function* () {
          yield* sleep(0);
          group.cancel();
        });
        members.add(group, forever);
      }),
    ),
    { name: "parent" },
  );
  yield* endOf(parent, injected, 2);
}

/** A group in a group, of one block, in each of which a member fails, so that both want to cancel the block; and a request from outside. */
export function* nested(injected: boolean): Coroutine<void> {
  const members = new Members(injected);

  function* fails(): Coroutine<void> {
    yield* sleep(0);
    members.fail();
  }

  const parent = createTask(
    family(members, () =>
      within(new TaskGroup(), new TaskGroup(), function* (outer, inner) {
        members.add(outer, fails);
        members.add(inner, fails);
        yield* forever();
      }),
    ),
    { name: "parent" },
  );
  yield* endOf(parent, injected, 1);
}
