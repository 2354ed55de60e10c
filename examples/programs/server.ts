/**
 * A server: one loop answers thousands of connections at once, and is then stopped without losing an answer in flight.
 *
 * The program brings its own clients, 2,000 or as many as it is told to (`corio run server.ts 500`), and stops when all of
 * them are served. With 0 it serves others, until SIGTERM or Ctrl-C. A second argument sets the time of grace.
 */
import type { AddressInfo } from "node:net";
import { addSignalHandler, startServer } from "@corio/node";
import { type Coroutine, createTask, gather } from "corio";
import { AnswerService, LINES } from "./server/answer-service.js";
import { ask } from "./server/ask.js";
import { mostClients } from "./server/most-clients.js";

const pause = 200;
const anHour = 3_600_000;

export function* main([asked = "2000", grace = "1000"]: string[] = []) {
  const clients = Math.min(Number(asked), mostClients());
  const service = new AnswerService();
  const stop = () => service.stop();
  addSignalHandler("SIGTERM", stop);
  addSignalHandler("SIGINT", stop);

  const server = yield* startServer((reader, writer) => service.handle(reader, writer), "127.0.0.1", 0, {
    backlog: 4_096, // of thousands who knock at once, nobody has to knock again
  });
  const { port } = server.sockets[0]!.address() as AddressInfo;
  console.log(`listening on port ${port}`);
  const asking = createTask(askAll(port, clients, stop));
  yield* service.run(server, Number(grace));

  const { accepted, answered, cancelled, abandoned } = service.counts;
  console.log(`questions: ${accepted} accepted, ${answered} answered, ${cancelled} cancelled, ${abandoned} abandoned`);
  if (clients > 0) console.log(`clients: ${yield* asking}`);
  console.log(`connections left open: ${server.connections}`);
}

function* askAll(port: number, clients: number, allServed: () => void): Coroutine<string> {
  const waiting = new Set(Array.from({ length: clients }, (_, client) => client));
  function* client(id: number) {
    const served = () => {
      if (waiting.delete(id) && waiting.size === 0) allServed();
    };
    try {
      const lines = yield* ask(port, questionOf(id), served);
      const length = lines.filter((line) => line.startsWith(`${id}: `)).length;
      return length === LINES ? "with a whole answer" : length === 0 ? "without a question" : "cut off";
    } finally {
      served();
    }
  }

  const outcomes = yield* gather([...waiting].map(client), { returnExceptions: true });
  const counts = new Map<string, number>();
  for (const outcome of outcomes) counts.set(String(outcome), (counts.get(String(outcome)) ?? 0) + 1);
  return [...counts].map(([outcome, count]) => `${count} ${outcome}`).join(", ");
}

/** Each hundredth asks what takes too long, each tenth asks nothing. */
function questionOf(client: number): string | undefined {
  if (client % 100 === 1) return `${client} ${anHour}`;
  return client % 10 === 0 ? undefined : `${client} ${pause}`;
}
