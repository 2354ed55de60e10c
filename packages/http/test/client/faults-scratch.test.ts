import { sleep } from "corio";
import { test, expect } from "vitest";
import { withRawServer } from "./session-setting.js";
import { faults } from "../support/faults.js";
test("x", async () => {
    await withRawServer(faults.endlessBody, function* (session, server) {
      const response = yield* session.get("/");
      console.log("got", (yield* response.body.readexactly(1_000_000)).length);
      response.release();
      console.log(session.connections);
      for (let i = 0; i < 10; i++) { yield* sleep(20); console.log(server.open(), server.connections[0]?.ended, server.connections[0]?.isClosed); }
      
    });
});
