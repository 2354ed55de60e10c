/**
 * What a runner has to say of each test of suites/failing.mjs: the title, and parts of the report in their order. Dots stand for
 * whatever a runner writes around it.
 */
export const FAILURES: readonly (readonly [title: string, ...parts: RegExp[]])[] = [
  ["an assertion", /these two differ/, /failing\.test\.mjs:8:10/],
  [
    "a deadlock",
    /DeadlockError.*: deadlock: nothing is left that could wake the tasks/,
    /the test waits for Lock, held by deposit/,
    /at transfer .*failing\.test\.mjs:19:15/,
    /deposit waits for Event: it is not set/,
    /at deposit .*failing\.test\.mjs:12:10/,
  ],
  ["a deadlock in real time", /DeadlockError/, /the test waits for Event/, /at withdraw .*failing\.test\.mjs:23/],
  [
    "too late",
    /TimeoutError.*: the test did not end within 50 ms \(loop time\)\. Its tasks:/,
    /the test waits until 60 ms \(a sleep\)/,
    /at endless .*failing\.test\.mjs:27/,
  ],
  ["too late in real time", /did not end within 60 ms/, /the test waits until/, /at slow .*failing\.test\.mjs:31/],
  [
    "a task is left",
    /LeakError.*: the test left behind:/,
    /1 task is pending:/,
    /heartbeat waits until 60,000 ms \(a sleep\)/,
    /at heartbeat .*failing\.test\.mjs:35/,
  ],
  ["a timer is left", /LeakError/, /a timer armed for 7777 ms on the loop's clock, set at /],
  [
    "a server is left",
    /LeakError/,
    /a TCP server on 127\.0\.0\.1:\d+ is still open, opened at .*failing\.test\.mjs:48/,
  ],
  [
    "an interval is left",
    /LeakError/,
    /a timer of setInterval \(5555 ms\) is still open, opened at .*failing\.test\.mjs:52/,
  ],
  [
    "an error is left",
    /LeakError/,
    /Task exception was never retrieved of Task-/,
    /Error: nobody has looked at this/,
    /at failing .*failing\.test\.mjs:57/,
  ],
  ["a coroutine is left", /LeakError/, /coroutine 'saveAll' was never awaited: write/],
  [
    "an assertion, and a task is left",
    /this goes first/,
    /the test left behind:/,
    /1 task is pending:/,
    /another heartbeat waits/,
  ],
  ["a fixture does not close", /cannot close the database/, /failing\.test\.mjs:79/],
  ["a fixture is none", /CorioError.*: the fixture "nothing" has made undefined, and a fixture is a function/],
  ["one that passes and had to fail"],
];

/** The part of a runner's output that is about a test: from a heading to the next one. */
export function reportsOf(output: string, heading: (title: string) => string): string[] {
  const starts = FAILURES.map(([title]) => output.indexOf(heading(title)));
  return starts.map((start, i) => {
    if (start < 0) throw new Error(`no report of "${FAILURES[i]?.[0]}" in:\n${output}`);
    const next = starts.filter((other) => other > start).toSorted((a, b) => a - b)[0];
    return output.slice(start, next);
  });
}

/** Parts in this order, with anything between them. */
export function inOrder(parts: readonly RegExp[]): RegExp {
  return new RegExp(parts.map(({ source }) => source).join("(?:.|\n)*?"));
}
