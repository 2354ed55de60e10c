/**
 * A service as one writes it: takes orders over HTTP, keeps them in PostgreSQL, and mails a confirmation of each in the background.
 *
 *     corio run examples/service.ts --port 8080 --database postgres://localhost/shop
 *     curl -X POST -d '{ "customer": "ada@example.com", "item": "a book" }' localhost:8080/orders
 *
 * Without --database it runs a PostgreSQL of its own. On SIGTERM or Ctrl-C the main task is cancelled, and leaves its blocks from the
 * innermost outwards: /health says so; nobody is let in any more, and requests in flight are answered; the mails of accepted
 * orders are sent; the connections to the database are closed. What an interruption of the power leaves is found at the next start.
 */
import { serve } from "@corio/http";
import { type Coroutine, Queue, sleep, TaskGroup, wait, within } from "corio";
import { Database } from "./database/database.js";
import { withPostgres } from "./database/postgres.js";
import { makeApp, type Parts } from "./service/app.js";
import { Health } from "./service/health.js";
import { mailConfirmations } from "./service/mailer.js";
import { type Order, Orders } from "./service/orders.js";
import { readSettings, type Settings } from "./service/settings.js";

const mailers = 4;
/** How long the mails of accepted orders may take in the end, in milliseconds; the next start sends what is left. */
const lastMails = 30_000;

export function* main(args: string[]): Coroutine<void> {
  const settings = readSettings(args);
  const { database, connections } = settings;
  if (database === undefined) {
    yield* withPostgres((address) => runService(new Database(address, connections), settings));
  } else {
    yield* runService(new Database({ connectionString: database }, connections), settings);
  }
}

function* runService(database: Database, settings: Settings): Coroutine<void> {
  yield* within(database, new TaskGroup(), function* (database, group) {
    const orders = new Orders(database);
    yield* orders.createTable();

    const unconfirmed = new Queue<Order>({ maxSize: 1_000 });
    const mailing = Array.from({ length: mailers }, () =>
      group.createTask(mailConfirmations(unconfirmed, orders, settings.mailTime)),
    );
    try {
      for (const order of yield* orders.unconfirmed()) yield* unconfirmed.put(order);
      const health = new Health(database, group);
      yield* answerRequests({ orders, unconfirmed, health }, settings);
    } finally {
      unconfirmed.shutdown(); // the mailers end when it is empty
      yield* wait(mailing, { timeout: lastMails });
    }
  });
}

function* answerRequests(parts: Parts, { port, handlerTimeout, notice }: Settings): Coroutine<void> {
  const server = yield* serve(makeApp(parts).fetch, {
    port,
    concurrency: 200, // what comes beyond waits,
    queueSize: 1_000, // and what comes beyond that is told to come back later
    handlerTimeout,
    maxBodySize: 10_000,
  });
  yield* within(server, function* () {
    console.log(`listening on ${server.url}`);
    try {
      yield* server.waitClosed(); // for ever: it is open as long as this block lasts
    } finally {
      parts.health.stopping = true;
      yield* sleep(notice);
    }
  });
}
