/**
 * 1,000 requests, never more than 10 in flight. (For the results in their order, `map(ids, request, { concurrency: 10 })`
 * does the same without a semaphore.)
 */
import { gather, Semaphore, sleep, within } from "corio";

const limit = new Semaphore(10);
let inFlight = 0;
let most = 0;

function* request(id: number) {
  inFlight++;
  most = Math.max(most, inFlight);
  yield* sleep(10);
  inFlight--;
  return id;
}

export function* main() {
  const ids = Array.from({ length: 1_000 }, (_, id) => id);
  const answers = yield* gather(ids.map((id) => within(limit, () => request(id))));
  console.log(`${answers.length} answers, never more than ${most} requests in flight`);
}
