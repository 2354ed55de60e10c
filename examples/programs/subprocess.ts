/**
 * A child process: lines go to its standard input and come from its standard output as they are written; its exit code; and
 * its end when the task that talks to it is cancelled.
 */
import { fileURLToPath } from "node:url";
import { createSubprocessExec } from "@corio/node";
import { createTask, Event, forEach, isCancelled, within } from "corio";

const shout = [fileURLToPath(new URL("./subprocess/shout.mjs", import.meta.url))];
const pipes = { stdin: "pipe", stdout: "pipe" } as const;

function* converse() {
  const child = yield* createSubprocessExec(process.execPath, shout, pipes);
  yield* within(child, function* () {
    for (const word of ["one", "two", "three"]) {
      child.stdin.write(`${word}\n`);
      console.log(`${word}: ${text(yield* child.stdout.readline())}`);
    }
    child.stdin.close(); // the end of its input
    yield* forEach(child.stdout, (line) => console.log(`at the end: ${text(line)}`));
    console.log(`exit code: ${yield* child.wait()}`);
  });
}

function* waitForMore(answered: Event) {
  const child = yield* createSubprocessExec(process.execPath, shout, pipes);
  try {
    yield* within(child, function* () {
      child.stdin.write("anybody there?\n");
      console.log(`it says: ${text(yield* child.stdout.readline())}`);
      answered.set();
      yield* child.stdout.readline(); // which never comes
    });
  } finally {
    console.log(`the child was ended by ${child.signal}`);
  }
}

function text(line: Uint8Array): string {
  return new TextDecoder().decode(line).trimEnd();
}

export function* main() {
  yield* converse();

  const answered = new Event();
  const waiting = createTask(waitForMore(answered));
  yield* answered.wait();
  waiting.cancel();
  try {
    yield* waiting;
  } catch (error) {
    console.log(`cancelled: ${isCancelled(error)}`);
  }
}
