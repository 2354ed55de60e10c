// Runs the suite anywhere: no test runner, no dependency. What a host lends out (its timers) is watched, so that a test
// that leaves something behind fails itself instead of another one.

const { setTimeout, clearTimeout } = globalThis;
const timers = new Set();

// corio takes the host's functions when it is loaded: these stand in for them from before that.
globalThis.setTimeout = (callback, ms, ...args) => {
  const timer = setTimeout(() => {
    timers.delete(timer);
    callback(...args);
  }, ms);
  timers.add(timer);
  return timer;
};
globalThis.clearTimeout = (timer) => {
  timers.delete(timer);
  clearTimeout(timer);
};

// what nobody caught, as the host tells it
const uncaught = [];
if (globalThis.addEventListener === undefined) {
  globalThis.process.on("unhandledRejection", (error) => uncaught.push(error));
} else {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    uncaught.push(event.reason);
  });
  globalThis.addEventListener("error", (event) => uncaught.push(event.error));
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The longest that a test may take, in milliseconds. */
const LIMIT = 10_000;

/**
 * Runs the tests one after another.
 *
 * @param onResult called after each test with `{ title, error }`; `error` is a text, or undefined if the test passed
 * @param options `backwards`: begins with the last test
 */
export async function runSuite(onResult, { backwards = false } = {}) {
  const [{ suite }, { getRunningLoop }] = await Promise.all([import("./suite.mjs"), import("../../dist/index.js")]);
  for (const { title, test } of backwards ? suite.toReversed() : suite) {
    const globals = Object.getOwnPropertyNames(globalThis).length;
    let error = await failureOf(test);
    await pause(0);
    error ??= leftBehind(globals, getRunningLoop);
    timers.clear();
    uncaught.length = 0;
    onResult({ title, error });
  }
}

async function failureOf(test) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end after ${LIMIT} ms`)), LIMIT);
  });
  try {
    await Promise.race([test(), limit]);
    return undefined;
  } catch (error) {
    return textOf(error);
  } finally {
    clearTimeout(timer);
  }
}

function leftBehind(globals, getRunningLoop) {
  if (uncaught.length > 0) return `nobody caught ${uncaught.map(textOf).join("\n")}`;
  if (timers.size > 0) return `${timers.size} timers were left behind`;
  if (Object.getOwnPropertyNames(globalThis).length !== globals) return "a global variable was left behind";
  try {
    getRunningLoop();
    return "a loop is still running";
  } catch {
    return undefined;
  }
}

function textOf(error) {
  if (!(error instanceof Error)) return String(error);
  return error.stack?.includes(error.message) ? error.stack : `${error.name}: ${error.message}\n${error.stack}`;
}
