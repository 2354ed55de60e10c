/**
 * An HTTP server: one loop answers thousands of clients at once, and is then stopped without losing an answer in flight.
 *
 * The program brings its own clients, 2,000 or as many as it is told to (`corio run http-server.ts 500`), and stops when all of
 * them have asked. With 0 it serves others, until SIGTERM or Ctrl-C. A second argument sets the time of grace, in milliseconds:
 * answers that take longer from then on are cancelled.
 */
import { HttpError, Response, serve } from "@corio/http";
import { createTask, Event, isCancelled, sleep, within } from "corio";
import { askAll } from "./http-server/ask-all.js";
import { mostClients } from "./server/most-clients.js";

export function* main([asked = "2000", grace = "2000"]: string[] = []) {
  const clients = Math.min(Number(asked), mostClients());
  const counts = { accepted: 0, answered: 0, cancelled: 0 };
  const allHaveAsked = new Event();

  /** Answers `/42?pause=500`, after so many milliseconds. */
  function* answer(request: Request) {
    const { pathname, searchParams } = new URL(request.url);
    const pause = Number(searchParams.get("pause"));
    if (!(pause >= 0)) throw new HttpError(400, "how many milliseconds? Ask for /42?pause=500");
    if (++counts.accepted === clients) allHaveAsked.set();
    try {
      yield* sleep(pause);
      counts.answered++;
      return new Response(`${pathname.slice(1)} is answered`);
    } catch (error) {
      if (isCancelled(error)) counts.cancelled++;
      throw error;
    }
  }

  const server = yield* serve(answer, {
    host: "127.0.0.1",
    port: 0,
    backlog: 4_096, // of thousands who knock at once, nobody has to knock again
    shutdownTimeout: Number(grace),
  });
  console.log(`listening on ${server.url}`);
  const asking = createTask(askAll(server.url, clients));
  try {
    // Leaving a server's block lets nobody in any more, and waits for the answers in flight. A signal cancels the wait: no more.
    yield* within(server, function* () {
      try {
        yield* allHaveAsked.wait();
      } finally {
        console.log(`stopping with answers in flight: ${server.requests}`);
      }
    });
  } finally {
    console.log(`questions: ${counts.accepted} accepted, ${counts.answered} answered, ${counts.cancelled} cancelled`);
    if (clients > 0) console.log(`clients: ${yield* asking}`);
    console.log(`connections left open: ${server.connections}`);
  }
}
