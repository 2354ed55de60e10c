import { context, type Span, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import {
  type Coroutine,
  createTask,
  forEach,
  gather,
  getRunningLoop,
  Queue,
  race,
  run,
  type RunOptions,
  sleep,
  TaskGroup,
  type Task,
  until,
  within,
} from "corio";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const tracer = provider.getTracer("test");

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);
});
beforeEach(() => exporter.reset());
afterAll(async () => {
  context.disable();
  trace.disable();
  await provider.shutdown();
});

/** Starts and ends a span where it is called: its parent is the span that is active there. */
function mark(name: string): void {
  tracer.startSpan(name).end();
}

/** Runs a coroutine in a task of its own, in which a new span is active: how programs do it. */
function spanned<T>(name: string, body: () => Coroutine<T>): Task<T> {
  const span = tracer.startSpan(name);
  const task = context.with(trace.setSpan(context.active(), span), () => createTask(body, { name }));
  task.addDoneCallback(() => span.end());
  return task;
}

/** The finished spans and their parents, by name. */
function parents(): Record<string, string | undefined> {
  const spans = exporter.getFinishedSpans();
  const names = new Map(spans.map((span) => [span.spanContext().spanId, span.name]));
  const parentOf = (span: ReadableSpan): string | undefined => {
    const id = span.parentSpanContext?.spanId;
    return id === undefined ? undefined : (names.get(id) ?? "a span that has not ended");
  };
  return Object.fromEntries(spans.map((span) => [span.name, parentOf(span)]));
}

/** Runs main while a span "request" is active. */
async function inRequest(
  main: () => Coroutine<void>,
  options: RunOptions,
): Promise<Record<string, string | undefined>> {
  await tracer.startActiveSpan("request", async (span: Span) => {
    try {
      await run(main, options);
    } finally {
      span.end();
    }
  });
  return parents();
}

// Two siblings that wait in every way there is, turn about, and mark where they are after each wait.
function* siblings(): Coroutine<void> {
  const queue = new Queue<string>();
  function* work(name: string): Coroutine<void> {
    mark(`${name}: start`);
    yield* sleep(1);
    mark(`${name}: after sleep`);
    yield* sleep(0);
    mark(`${name}: after a turn`);
    yield* until(new Promise((resolve) => setTimeout(resolve, 1)));
    mark(`${name}: after a promise`);
    yield* until(Promise.resolve());
    mark(`${name}: after a promise that was there`);
    yield* queue.put(name);
    yield* queue.get();
    mark(`${name}: after a queue`);
    yield* gather(sleep(1), sleep(2));
    mark(`${name}: after gather`);
    yield* gather(
      (function* () {
        yield* sleep(1);
        mark(`${name}: in gather`);
      })(),
    );
    yield* within(new TaskGroup(), function* (group) {
      group.createTask(function* () {
        yield* sleep(1);
        mark(`${name}: in a group`);
      });
      yield* sleep(1);
      mark(`${name}: in the group's body`);
    });
    yield* race(
      (function* () {
        yield* sleep(1);
        mark(`${name}: in race`);
      })(),
      sleep(1e9),
    );
    yield* spanned(`${name}'s child`, function* () {
      yield* sleep(1);
      mark(`${name}'s child: after sleep`);
    });
    mark(`${name}: at the end`);
  }
  mark("main: start");
  const tasks = ["a", "b"].map((name) => spanned(name, () => work(name)));
  mark("main: tasks made");
  yield* gather(tasks);
  mark("main: at the end");
}

const PLACES = [
  "start",
  "after sleep",
  "after a turn",
  "after a promise",
  "after a promise that was there",
  "after a queue",
  "after gather",
  "in gather",
  "in a group",
  "in the group's body",
  "in race",
  "at the end",
];

/** What is expected of `siblings`, if marks inside of `name` have the parent `of(name)`. */
function expected(of: (name: string) => string): Record<string, string | undefined> {
  const result: Record<string, string | undefined> = { request: undefined };
  for (const place of ["start", "tasks made", "at the end"]) result[`main: ${place}`] = of("request");
  for (const name of ["a", "b"]) {
    result[name] = "request";
    result[`${name}'s child`] = of(name);
    result[`${name}'s child: after sleep`] = of(`${name}'s child`);
    for (const place of PLACES) result[`${name}: ${place}`] = of(name);
  }
  return result;
}

describe("OpenTelemetry's spans in a run with { asyncLocalStorage: true }", () => {
  test("have the span as parent that is active in their task, however it has waited", async () => {
    expect(await inRequest(siblings, { asyncLocalStorage: true })).toEqual(expected((name) => name));
  });

  test("of a consumer are those of the consumer, not of the producer that wakes it", async () => {
    const spans = await inRequest(
      function* () {
        const queue = new Queue<number>();
        const consumer = spanned("consumer", () => forEach(queue, (n) => mark(`consumed ${n}`)));
        const producer = spanned("producer", function* () {
          for (let n = 0; n < 3; n++) {
            mark(`produced ${n}`);
            yield* queue.put(n);
            yield* sleep(n);
          }
          queue.shutdown();
        });
        yield* gather(consumer, producer);
      },
      { asyncLocalStorage: true },
    );
    for (let n = 0; n < 3; n++) {
      expect(spans[`consumed ${n}`]).toBe("consumer");
      expect(spans[`produced ${n}`]).toBe("producer");
    }
  });

  test("are right where cleanup runs after a cancellation by another task", async () => {
    const spans = await inRequest(
      function* () {
        const task = spanned("cancelled", function* () {
          try {
            yield* sleep(1e9);
          } finally {
            mark("cleanup");
            yield* sleep(1);
            mark("cleanup, later");
          }
        });
        yield* sleep(1);
        yield* spanned("canceller", function* () {
          task.cancel();
          yield* gather([task], { returnExceptions: true });
          mark("waited");
        });
      },
      { asyncLocalStorage: true },
    );
    expect(spans).toMatchObject({ cleanup: "cancelled", "cleanup, later": "cancelled", waited: "canceller" });
  });

  test("of plain async code that a task calls have the task's span as parent", async () => {
    const spans = await inRequest(
      function* () {
        const task = spanned("task", function* () {
          yield* until(
            (async () => {
              mark("async: start");
              await new Promise((resolve) => setTimeout(resolve, 1));
              mark("async: later");
            })(),
          );
          mark("task: later");
        });
        yield* task;
      },
      { asyncLocalStorage: true },
    );
    expect(spans).toMatchObject({ "async: start": "task", "async: later": "task", "task: later": "task" });
  });
});

describe("OpenTelemetry's spans in a run without the option", () => {
  test("have the span as parent that was active when the run started, in every task", async () => {
    expect(await inRequest(siblings, {})).toEqual(expected(() => "request"));
  });

  test("do not have as parent what is active where something wakes a task", async () => {
    const spans = await inRequest(function* () {
      const loop = getRunningLoop();
      const future = loop.createFuture<void>();
      tracer.startActiveSpan("waker", (span) => {
        setImmediate(() => {
          mark("in the waker");
          future.setResult();
          span.end();
        });
      });
      yield* future;
      mark("woken");
    }, {});
    expect(spans).toMatchObject({ "in the waker": "waker", woken: "request" });
  });

  test("have the active span as parent inside of a plain function, as everywhere", async () => {
    const spans = await inRequest(function* () {
      yield* sleep(1);
      tracer.startActiveSpan("step", (span) => {
        mark("in the step");
        span.end();
      });
      yield* sleep(1);
      mark("after the step");
    }, {});
    expect(spans).toMatchObject({ step: "request", "in the step": "step", "after the step": "request" });
  });
});
