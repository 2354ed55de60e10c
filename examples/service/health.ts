import { attempt, type Attempt, type Coroutine, type Task, type TaskGroup, wait } from "corio";
import type { Database } from "../database/database.js";

const patience = 1_000;

/** Whether the service can be sent requests: what a balancer asks every few seconds. */
export class Health {
  /** Whether it is being stopped. */
  stopping = false;
  readonly #database: Database;
  readonly #group: TaskGroup;
  #probe: Task<Attempt<unknown>> | undefined;

  /** @param group of the service: it has the probe, which may outlast the one who asks */
  constructor(database: Database, group: TaskGroup) {
    this.#database = database;
    this.#group = group;
  }

  /** What is wrong; `undefined` if nothing is. It takes a second at most. */
  *trouble(): Coroutine<string | undefined> {
    if (this.stopping) return "the service is being stopped";
    // one probe for all who ask: a database that is in trouble has enough to do
    if (this.#probe?.done !== false) this.#probe = this.#group.createTask(attempt(this.#database.query("select 1")));
    const probe = this.#probe;
    yield* wait([probe], { timeout: patience });
    if (!probe.done) return `the database has not answered within ${patience} ms`;
    return probe.result().ok ? undefined : "the database does not answer";
  }
}
