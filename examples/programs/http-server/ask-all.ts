import { ClientSession } from "@corio/http";
import { attempt, type Coroutine, gather, within } from "corio";

const pause = 1_000;
const anHour = 3_600_000;

/** So many clients, each over a connection of its own, ask a question at the same time. Returns what came of them. */
export function* askAll(baseUrl: string, clients: number): Coroutine<string> {
  return yield* within(new ClientSession({ baseUrl, limit: Number.POSITIVE_INFINITY }), function* (session) {
    const outcomes = yield* gather(Array.from({ length: clients }, (_, client) => ask(session, client)));
    const answered = outcomes.filter((isAnswered) => isAnswered).length;
    return `${answered} answered, ${clients - answered} cut off`;
  });
}

/** Each hundredth asks what takes too long. */
function* ask(session: ClientSession, client: number): Coroutine<boolean> {
  const params = { pause: client % 100 === 1 ? anHour : pause };
  const answer = yield* attempt(within(session.get(`/${client}`, { params }), (response) => response.text()));
  return answer.ok && answer.value === `${client} is answered`;
}
