import { Readable } from "node:stream";
import { sleep, within, until } from "corio";
import { Response } from "../../src/index.js";
import { it, serving, client } from "./hostile-setting.js";
function destroyed(how: number): Readable {
  const readable = new Readable({ read: () => {} });
  readable.push("piece");
  if (how === 0) setImmediate(() => readable.destroy(new Error("secret")));
  else setTimeout(() => readable.destroy(new Error("secret")), how);
  return readable;
}
for (const how of [0, 1, 20])
  it("x" + how, function* () {
    yield* within(
      serving(() => new Response(destroyed(how) as never)),
      function* (s) {
        yield* within(client(s), function* (c) {
          yield* until(c.send("GET / HTTP/1.0\r\n\r\n"));
          console.log(how, yield* until(c.over()), JSON.stringify(c.received), s.reports());
        });
      },
    );
  });
