import type { Coroutine } from "corio";
import type { Database } from "../database/database.js";

export type Order = {
  readonly id: number;
  readonly customer: string;
  readonly item: string;
  /** Whether the customer has been told by mail. */
  readonly confirmed: boolean;
};

/** The orders in the database. */
export class Orders {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  *createTable(): Coroutine<void> {
    yield* this.#database.query(`
      create table if not exists orders (
        id int generated always as identity primary key,
        customer text not null,
        item text not null,
        confirmed boolean not null default false
      )`);
  }

  *add(customer: string, item: string): Coroutine<Order> {
    const text = "insert into orders (customer, item) values ($1, $2) returning *";
    const [order] = yield* this.#database.query<Order>(text, [customer, item]);
    return order!;
  }

  *find(id: number): Coroutine<Order | undefined> {
    const [order] = yield* this.#database.query<Order>("select * from orders where id = $1", [id]);
    return order;
  }

  /** The oldest first. Also those of clients who went away in the very moment and got no answer. */
  unconfirmed(): Coroutine<Order[]> {
    return this.#database.query<Order>("select * from orders where not confirmed order by id");
  }

  *confirm(id: number): Coroutine<void> {
    yield* this.#database.query("update orders set confirmed = true where id = $1", [id]);
  }
}
