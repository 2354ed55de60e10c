import { sleep, within } from "corio";
import { describe, expect } from "vitest";
import { Response } from "../../src/index.js";
import { ambiguousRequests } from "../support/ambiguous-requests.js";
import { headerOf } from "../support/raw-client.js";
import { ask, client, it, post, request, serving } from "./hostile-setting.js";
import { until } from "corio";

describe("a request that can be read in two ways", () => {
  it.each(ambiguousRequests.map(({ title, text }) => [title, text] as const))(
    "is refused, and what is hidden in it is not seen: %s",
    function* (_title, text) {
      const seen: string[] = [];
      const handler = function* (incoming: Request) {
        seen.push(incoming.url);
        return new Response(yield* until(incoming.text()));
      };
      yield* within(serving(handler), function* (serving) {
        const { received, ended } = yield* serving.exchange(text);
        expect(received).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
        expect(received.match(/HTTP\/1\.1/g)).toHaveLength(1);
        expect(received).toMatch(/\r\nconnection: close\r\n/i);
        expect(ended).toBe("end");
        expect(seen.filter((url) => url.includes("smuggled"))).toEqual([]);
      });
    },
  );
});
