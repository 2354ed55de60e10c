// A server that sends every line back, as a process of its own. Tells its port, and then, for each line that it gets on
// standard input, how it stands: for "idle" when the last connection has ended, else at once. Ends with its input.
import { createInterface } from "node:readline";
import { allTasks, forEach, getRunningLoop, run, sleep, within } from "corio";
import { startServer } from "@corio/node";

const say = (what) => console.log(JSON.stringify(what));

await run(function* () {
  const loop = getRunningLoop();
  /** How often which error was reported. */
  const errors = {};
  loop.exceptionHandler = (_loop, { message, exception }) => {
    const name = exception?.code ?? exception?.name ?? message;
    errors[name] = (errors[name] ?? 0) + 1;
  };

  const server = yield* startServer(
    function* (reader, writer) {
      yield* forEach(reader, function* (line) {
        writer.write(line);
        yield* writer.drain();
      });
    },
    "127.0.0.1",
    0,
    { backlog: 4_096 },
  );
  say({ port: server.sockets[0].address().port });
  const state = () => ({ connections: server.connections, tasks: allTasks(loop).size - 1, errors });
  yield* within(server, function* () {
    yield* forEach(createInterface({ input: process.stdin }), function* (command) {
      while (command === "idle" && server.connections > 0) yield* sleep(5);
      say(state());
    });
  });
  say(state());
});
