import { HttpError } from "@corio/http";
import { handler } from "@corio/http/hono";
import { type Coroutine, type Queue, until } from "corio";
import { type Context, Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
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
        const order = yield* orders.add(customer, item);
        yield* unconfirmed.put(order); // when mails go out more slowly than orders come, this waits
        return c.json(order, 202, { location: `/orders/${order.id}` });
      }),
    )
    .get(
      "/orders/:id{[0-9]{1,9}}",
      handler(function* (c) {
        const order = yield* orders.find(Number(c.req.param("id")));
        if (order === undefined) throw new HttpError(404, "there is no such order");
        return c.json(order);
      }),
    )
    .get(
      "/health",
      handler(function* (c) {
        const trouble = yield* health.trouble();
        return trouble === undefined ? c.json({ status: "ok" }) : c.json({ status: trouble }, 503);
      }),
    )
    .onError((error, c) => {
      if (error instanceof HttpError) return c.json({ error: error.message }, error.status as ContentfulStatusCode);
      throw error; // `serve` reports it, and answers with 500
    });
}

/** What the body of a request orders. */
function* orderIn(c: Context): Coroutine<Pick<Order, "customer" | "item">> {
  let body: unknown;
  try {
    body = yield* until(c.req.json());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const { customer, item } = Object(body) as Record<string, unknown>;
  if (typeof customer === "string" && typeof item === "string") return { customer, item };
  throw new HttpError(400, 'an order is { "customer": "ada@example.com", "item": "a book" }');
}
