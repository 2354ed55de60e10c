
import { sleep, createTask } from "corio";
import { test, expect } from "vitest";
import { withRawServer, withOrigin } from "./session-setting.js";
import { faults } from "../support/faults.js";
test("raw", async () => {
    await withRawServer(faults.endlessBody, function* (session, server) {
      const response = yield* session.get("/");
      let n = 0;
      const t = createTask(function* () { for (;;) { n += (yield* response.body.read(10_000)).length; } });
      for (let i = 0; i < 5; i++) { yield* sleep(50); console.log(n); }
      t.cancel();
      response.release();
    });
});
test("origin", async () => {
    await withOrigin((_, r) => { const c = Buffer.alloc(65536); const w = () => { while (!r.destroyed && r.write(c)); }; r.on("drain", w); w(); }, function* (session, server) {
      const response = yield* session.get("/");
      let n = 0;
      const t = createTask(function* () { for (;;) { n += (yield* response.body.read(10_000)).length; } });
      for (let i = 0; i < 5; i++) { yield* sleep(50); console.log(n); }
      t.cancel();
      response.release();
    });
});
