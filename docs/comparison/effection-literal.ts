import { race, run, sleep } from "effection";

function* download() {
  console.log("opened");
  try {
    yield* sleep(1000);
  } catch (error) {
    console.log("cancelled");
    throw error;
  } finally {
    yield* sleep(10);
    console.log("closed");
  }
}

function* job() {
  yield* download();
  console.log("job runs on");
}

await run(() => race([job(), sleep(10)]));
