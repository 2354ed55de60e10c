import { ClientSession } from "@corio/http";
import { gather, run, until, within } from "corio";

/** @param {import("../../harness/client.mjs").Control} control */
export const request = (control) =>
  run(() =>
    within(new ClientSession({ limit: control.atOnce }), function* (session) {
      function* worker() {
        while (control.wanted()) {
          const response = yield* session.get(control.url);
          control.got(yield* response.bytes());
        }
      }

      for (;;) {
        yield* until(control.begin());
        yield* gather(...Array.from({ length: control.atOnce }, worker));
        control.end();
      }
    }),
  );
