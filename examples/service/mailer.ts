import { type Coroutine, forEach, getRunningLoop, isCancelled, type Queue, retry, sleep } from "corio";
import type { Order, Orders } from "./orders.js";

/**
 * Tells the customers by mail that their orders are accepted, one after another, until the queue is shut down and empty.
 *
 * What cannot be sent is reported and stays unconfirmed: the next start of the service tries it again.
 */
export function* mailConfirmations(queue: Queue<Order>, orders: Orders, mailTime: number): Coroutine<void> {
  yield* forEach(queue, function* (order) {
    try {
      yield* retry(() => send(order, mailTime), { attempts: 3, delay: 1_000 });
      yield* orders.confirm(order.id);
    } catch (exception) {
      if (isCancelled(exception)) throw exception;
      getRunningLoop().callExceptionHandler({ message: `order ${order.id} is not confirmed yet`, exception });
    }
  });
}

/** Stands for a mail server: it takes as long as one. */
function* send({ id, customer, item }: Order, mailTime: number): Coroutine<void> {
  yield* sleep(mailTime);
  console.log(`mail to ${customer}: your order ${id} is accepted: ${item}`);
}
