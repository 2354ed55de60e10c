import { test } from "@corio/testing/RUNNER";

test("an async function", async () => {});
