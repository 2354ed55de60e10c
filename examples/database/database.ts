import { contextManager, type Coroutine, type Future, isCancelled, shield, until, wait, within } from "corio";
import { Pool, type PoolClient, type PoolConfig, type QueryResultRow } from "pg";

/** A pool of connections to PostgreSQL, whose queries can be cancelled. A context manager. */
export class Database {
  readonly #pool: Pool;
  /** One more connection, by which queries are cancelled: their own are deaf as long as they run. */
  readonly #control: Pool;

  /** @param connections how many there are at most; who wants one more waits for one to be free */
  constructor(config: PoolConfig, connections: number) {
    this.#pool = new Pool({ ...config, max: connections });
    this.#control = new Pool({ ...config, max: 1 });
    // a free connection that is lost is replaced
    for (const pool of [this.#pool, this.#control]) pool.on("error", () => {});
  }

  /** How many connections there are, and how many of them are free. */
  get connections(): { readonly all: number; readonly free: number } {
    return { all: this.#pool.totalCount, free: this.#pool.idleCount };
  }

  enter(): this {
    return this;
  }

  *exit(): Coroutine<void> {
    yield* until(Promise.all([this.#pool.end(), this.#control.end()]));
  }

  /** Runs one query, on any connection. */
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Coroutine<Row[]> {
    return within(this.#connection(), (connection) => connection.query<Row>(text, values));
  }

  /** Runs `body` in a transaction: what it has done is undone if it throws or is cancelled. */
  transaction(body: (connection: Connection) => Coroutine<void>): Coroutine<void> {
    return within(this.#connection(), (connection) => within(transaction(connection), body));
  }

  #connection(): Connection {
    return new Connection(this.#pool, this.#control);
  }
}

/** A connection of the pool, as long as its block lasts: a context manager. One query at a time. */
export class Connection {
  readonly #pool: Pool;
  readonly #control: Pool;
  #client!: PoolClient & { readonly processID?: number };
  #busy = false;

  constructor(pool: Pool, control: Pool) {
    this.#pool = pool;
    this.#control = control;
  }

  *enter(): Coroutine<this> {
    const connecting = this.#pool.connect();
    try {
      this.#client = yield* until(connecting);
      return this;
    } catch (error) {
      // a connection that comes after a cancellation goes back
      void connecting.then((late) => late.release()).catch(() => {});
      throw error;
    }
  }

  exit(): void {
    this.#client.release(this.#busy); // `true` closes it
  }

  /** Whether a query runs: after a second cancellation also one that nobody waits for any more. */
  get busy(): boolean {
    return this.#busy;
  }

  /**
   * Runs a query.
   *
   * *If cancelled*, the server cancels it, too, and the connection is free for the next one.
   */
  *query<Row extends QueryResultRow>(text: string, values: unknown[] = []): Coroutine<Row[]> {
    const running = until(this.#client.query<Row>(text, values));
    this.#busy = true;
    running.addDoneCallback(() => {
      this.#busy = false;
      running.exception(); // looked at: nobody need be left to throw it to
    });
    try {
      return (yield* shield(running)).rows;
    } catch (error) {
      if (isCancelled(error)) yield* this.#stop(running);
      throw error;
    }
  }

  *#stop(running: Future<unknown>): Coroutine<void> {
    while (!running.done) {
      yield* until(this.#control.query("select pg_cancel_backend($1)", [this.#client.processID]));
      // a server that has not begun with the query yet pays no heed, and has to be told again
      yield* wait([running], { timeout: 100 });
    }
  }
}

const transaction = contextManager(function* (connection: Connection) {
  try {
    yield* connection.query("begin");
    yield connection;
  } catch (error) {
    // a connection that is still busy gets closed, and that undoes the transaction, too
    if (!connection.busy) yield* connection.query("rollback");
    throw error;
  }
  yield* connection.query("commit");
});
