import { handler } from "@corio/http/hono";
import { attempt, type Coroutine, type Queue, until } from "corio";
import { type Context, Hono } from "hono";
import type { Health } from "./health.js";
import type { Order, Orders } from "./orders.js";

/** What the routes work with. */
export interface Parts {
  readonly orders: Orders;
  /** The orders whose customers are to be told. */
  readonly unconfirmed: Queue<Order>;
  readonly health: Health;
}

/** The routes. */
export function makeApp({ orders, unconfirmed, health }: Parts): Hono {
  return new Hono()
    .post(
      "/orders",
      handler(function* (c) {
        const { customer, item } = yield* orderIn(c);
        if (typeof customer !== "string" || typeof item !== "string") {
          return c.json({ error: 'an order is { "customer": "ada@example.com", "item": "a book" }' }, 400);
        }
        const order = yield* orders.add(customer, item);
        yield* unconfirmed.put(order); // when mails go out more slowly than orders come, this waits
        return c.json(order, 202, { location: `/orders/${order.id}` });
      }),
    )
    .get(
      "/orders/:id{[0-9]{1,9}}",
      handler(function* (c) {
        const order = yield* orders.find(Number(c.req.param("id")));
        return order === undefined ? c.json({ error: "there is no such order" }, 404) : c.json(order);
      }),
    )
    .get(
      "/health",
      handler(function* (c) {
        const trouble = yield* health.trouble();
        return trouble === undefined ? c.json({ status: "ok" }) : c.json({ status: trouble }, 503);
      }),
    );
}

function* orderIn(c: Context): Coroutine<{ customer?: unknown; item?: unknown }> {
  const body = yield* attempt(until(c.req.json<unknown>()));
  return body.ok && typeof body.value === "object" ? { ...body.value } : {};
}
