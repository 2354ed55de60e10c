import { ensure, race, run, sleep } from "effection";

function* download() {
  console.log("opened");
  yield* ensure(function* () {
    yield* sleep(10);
    console.log("closed");
  });
  yield* sleep(1000);
}

function* job() {
  yield* download();
  console.log("job runs on");
}

await run(() => race([job(), sleep(10)]));
