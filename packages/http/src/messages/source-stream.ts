import { ReadableStream } from "node:stream/web";
import { type Coroutine, copyContext, type Cursor, type EventLoop, iterate, type Iteration, type Source } from "corio";
import { bytesOf } from "./body-chunk.js";

/**
 * @internal A web stream of what a source gives, for who wants one. Each piece is taken by a task of the loop when it is asked for;
 * a stream that is cancelled closes the source.
 */
export function streamOf(source: Source<unknown>, loop: EventLoop): ReadableStream<Uint8Array> {
  const context = copyContext();
  const iteration = iterate(source);
  let cursor: Cursor<unknown> | undefined;
  const inTask = (main: () => Coroutine<void>): PromiseLike<void> =>
    loop.createTask(main, { name: "reading the body of a response", context: context.copy() });
  return new ReadableStream<Uint8Array>(
    {
      pull: (controller) =>
        inTask(function* () {
          cursor ??= yield* iteration.enter();
          const chunk = yield* nextOf(iteration, cursor);
          if (chunk === undefined) controller.close();
          else controller.enqueue(chunk);
        }),
      cancel: (reason) => inTask(() => iteration.exit(reason)),
    },
    { highWaterMark: 0 },
  );
}

/** The next piece, which is not empty; `undefined` at the end. The source is closed then, and when it fails. */
function* nextOf(iteration: Iteration<unknown>, cursor: Cursor<unknown>): Coroutine<Uint8Array | undefined> {
  try {
    while (yield* cursor.next()) {
      const chunk = bytesOf(cursor.value);
      if (chunk.length > 0) return chunk;
    }
  } catch (error) {
    yield* iteration.exit(error);
    throw error;
  }
  yield* iteration.exit();
  return undefined;
}
