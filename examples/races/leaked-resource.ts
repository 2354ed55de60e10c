/**
 * A resource leaks: a cancellation lands after it was acquired and before the `try` that gives it back, at an await that nobody
 * thinks of. The remedy is a `try` right after `acquire`, or a context manager and `within`.
 */
import type { ExploreOptions } from "@corio/testing";
import { type Coroutine, Queue, sleep, TaskGroup, within } from "corio";

interface Connection {
  readonly id: number;
}

class Pool {
  readonly #idle = new Queue<Connection>();

  constructor(readonly size: number) {
    for (let id = 1; id <= size; id++) this.#idle.putNowait({ id });
  }

  get idle() {
    return this.#idle.size;
  }

  acquire() {
    return this.#idle.get();
  }

  release(connection: Connection) {
    this.#idle.putNowait(connection);
  }
}

function* buggyQuery(pool: Pool): Coroutine<void> {
  const connection = yield* pool.acquire();
  yield* ping(connection);
  try {
    yield* send(connection);
  } finally {
    pool.release(connection);
  }
}

function* fixedQuery(pool: Pool): Coroutine<void> {
  const connection = yield* pool.acquire();
  try {
    yield* ping(connection);
    yield* send(connection);
  } finally {
    pool.release(connection);
  }
}

function* ping(_connection: Connection) {
  yield* sleep(1);
}

function* send(_connection: Connection) {
  yield* sleep(5);
}

function* usePool(query: typeof buggyQuery) {
  const pool = new Pool(2);
  yield* within(new TaskGroup(), function* (group) {
    for (const name of ["query 1", "query 2"]) group.createTask(query(pool), { name });
  });
  if (pool.idle !== pool.size) throw new Error(`${pool.size - pool.idle} of ${pool.size} connections never came back`);
}

// no order of the tasks brings it about
export const options: ExploreOptions = { cancel: true };
export const buggy = () => usePool(buggyQuery);
export const fixed = () => usePool(fixedQuery);
