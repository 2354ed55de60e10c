import { run, sleep } from "../../dist/index.js";

const result = await run(function* () {
  yield* sleep(5);
  return "slept";
});
globalThis.postMessage(result);
