// Many connections from one process: line-clients.mjs PORT COUNT. Opens them, has a line sent back over each, tells how that
// went, and has a line sent back over each again when it gets one on standard input. Closes them at the end of its input,
// tells, and ends after one more.
import { createInterface } from "node:readline";
import { attempt, forEach, map, run, within } from "corio";
import { openConnection } from "@corio/node";

const [port, count] = process.argv.slice(2).map(Number);
// so many at once that no server's backlog overflows
const WAVE = 200;

const say = (what) => console.log(JSON.stringify(what));

function* sendBack(reader, writer, text) {
  writer.write(`${text}\n`);
  yield* writer.drain();
  const line = Buffer.from(yield* reader.readline()).toString();
  if (line !== `${text}\n`) throw new Error(line === "" ? "no answer" : `got ${line} for ${text}`);
}

await run(function* () {
  /** How often which error came. */
  let errors = {};
  const failed = (error) => {
    const name = error.code ?? error.message;
    errors[name] = (errors[name] ?? 0) + 1;
  };
  const open = new Map();
  function* eachSendsBack() {
    yield* map(
      open,
      function* ([n, [reader, writer]]) {
        const { ok, error } = yield* attempt(sendBack(reader, writer, `line ${n} of ${process.pid}`));
        if (ok) return;
        failed(error);
        writer.transport.abort();
        open.delete(n);
      },
      { concurrency: WAVE },
    );
  }

  yield* map(
    Array.from({ length: count }, (_, n) => n),
    function* (n) {
      const { ok, value, error } = yield* attempt(openConnection("127.0.0.1", port));
      if (ok) open.set(n, value);
      else failed(error);
    },
    { concurrency: WAVE },
  );
  yield* eachSendsBack();
  say({ answered: open.size, errors });
  yield* forEach(createInterface({ input: process.stdin }), function* () {
    errors = {};
    yield* eachSendsBack();
    say({ answered: open.size, errors });
  });

  errors = {};
  for (const [, writer] of open.values()) writer.close();
  for (const [, writer] of open.values()) {
    const { error } = yield* attempt(writer.waitClosed());
    if (error !== undefined) failed(error);
  }
  say({ closed: open.size, errors });
  const [reader, writer] = yield* openConnection("127.0.0.1", port);
  yield* within(writer, () => sendBack(reader, writer, "one more"));
});
