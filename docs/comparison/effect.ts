import { Console, Effect } from "effect";

const download = Effect.acquireUseRelease(
  Console.log("opened"),
  () => Effect.sleep(1000).pipe(Effect.onInterrupt(() => Console.log("cancelled"))),
  () => Effect.sleep(10).pipe(Effect.andThen(Console.log("closed"))),
);

const job = Effect.gen(function* () {
  yield* download;
  yield* Console.log("job runs on");
});

await Effect.runPromise(Effect.race(job, Effect.sleep(10)));
