/** An asynchronous generator: `yield` emits, `yield*` waits. Whoever leaves early still lets its `finally` run. */
import { asyncGenerator, forEach, iterate, sleep, within } from "corio";

const count = asyncGenerator(function* (end: number) {
  try {
    for (let i = 0; i < end; i++) {
      yield* sleep(1_000);
      yield i;
    }
  } finally {
    console.log("the generator ends");
  }
});

export function* main() {
  yield* forEach(count(5), (i) => console.log(i));

  console.log("once more, up to 2");
  yield* within(iterate(count(5)), function* (it) {
    while (yield* it.next()) {
      console.log(it.value);
      if (it.value === 2) return;
    }
  });
}
