/** Five items, gathered: the results come in the order of the items, after the slowest. Then the same one after another. */
import { gather, sleep } from "corio";

const ids = [1, 2, 3, 4, 5];

function* collect(id: number) {
  yield* sleep(Math.abs(5 - id) * 1_000);
  console.log(`collected ${id}`);
  return `item ${id}`;
}

function* allAtOnce() {
  return yield* gather(ids.map(collect));
}

function* oneAfterAnother() {
  const items = [];
  for (const id of ids) items.push(yield* collect(id));
  return items;
}

export function* main() {
  for (const collectAll of [allAtOnce, oneAfterAnother]) {
    const began = performance.now();
    const items = yield* collectAll();
    const seconds = (performance.now() - began) / 1_000;
    console.log(`${collectAll.name}: ${items.join(", ")} in ${seconds.toFixed(1)} s`);
  }
}
