import { test } from "@corio/testing/RUNNER";
import { sleep } from "corio";

test("one beside it", function* () {
  throw new Error("only the other one runs");
});

test.only("the only one", function* () {
  yield* sleep(1_000);
});
