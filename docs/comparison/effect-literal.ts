import { Effect } from "effect";

const download = Effect.gen(function* () {
  console.log("opened");
  try {
    yield* Effect.sleep(1000);
  } catch (error) {
    console.log("cancelled");
    throw error;
  } finally {
    yield* Effect.sleep(10);
    console.log("closed");
  }
});

const job = Effect.gen(function* () {
  yield* download;
  console.log("job runs on");
});

await Effect.runPromise(Effect.race(job, Effect.sleep(10)));
