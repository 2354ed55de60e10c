/**
 * Rows written and read by a hundred coroutines at once, through eight connections to a real PostgreSQL, which the program
 * runs itself; transactions that fail or are cancelled leave nothing behind; a cancelled query frees its connection.
 */
import { gather, sleep, TaskGroup, within } from "corio";
import { Database } from "./database/database.js";
import { withPostgres } from "./database/postgres.js";

const writers = 100;
const rowsEach = 10;
const connections = 8;

/** Writes in a transaction, and reads by another connection what it has written. */
function* writeAndRead(database: Database, writer: number) {
  yield* database.transaction(function* (connection) {
    for (let n = 0; n < rowsEach; n++) {
      yield* connection.query("insert into rows (writer, n) values ($1, $2)", [writer, n]);
    }
  });
  return yield* database.query<{ n: number }>("select n from rows where writer = $1 order by n", [writer]);
}

function* writeMany(database: Database) {
  yield* database.query("create table rows (writer int, n int, primary key (writer, n))");
  const read = yield* gather(Array.from({ length: writers }, (_, writer) => writeAndRead(database, writer)));
  const complete = read.filter((rows) => rows.every(({ n }, i) => n === i) && rows.length === rowsEach);
  console.log(`${complete.length} writers read what they wrote, ${yield* count(database)} rows in all`);
  console.log(`connections: ${database.connections.all}`);
}

/** The same row twice: the database refuses it, and the first is gone with it. */
function* failInTransaction(database: Database) {
  try {
    yield* database.transaction(function* (connection) {
      for (let i = 0; i < 2; i++) yield* connection.query("insert into rows (writer, n) values (-1, 0)");
    });
  } catch (error) {
    console.log(`failed: ${(error as Error).message}`);
  }
  console.log(`rows of the failed transaction: ${yield* count(database, -1)}`);
}

function* cancelInTransaction(database: Database) {
  yield* within(new TaskGroup(), function* (group) {
    const task = group.createTask(
      database.transaction(function* (connection) {
        yield* connection.query("insert into rows (writer, n) values (-2, 0)");
        yield* connection.query("select pg_sleep(3600)");
      }),
    );
    while ((yield* sleepers(database)) === 0) yield* sleep(10);
    task.cancel();
  });
  console.log(`rows of the cancelled transaction: ${yield* count(database, -2)}`);
  console.log(`queries that still sleep: ${yield* sleepers(database)}`);
  console.log(`all connections are free: ${database.connections.free === database.connections.all}`);
}

function* count(database: Database, writer?: number) {
  const where = writer === undefined ? "" : " where writer = $1";
  const rows = yield* database.query<{ count: number }>(
    `select count(*)::int as count from rows${where}`,
    writer === undefined ? [] : [writer],
  );
  return rows[0]?.count;
}

/** How many queries are asleep in the server. */
function* sleepers(database: Database) {
  const rows = yield* database.query(
    "select 1 from pg_stat_activity where state = 'active' and query like 'select pg_sleep%'",
  );
  return rows.length;
}

export function* main() {
  yield* withPostgres(function* (address) {
    console.log(`PostgreSQL listens in ${address.host}`);
    yield* within(new Database(address, connections), function* (database) {
      yield* writeMany(database);
      yield* failInTransaction(database);
      yield* cancelInTransaction(database);
    });
  });
  console.log("PostgreSQL has stopped");
}
