/** Fails unless `condition` holds. */
export function ok(condition, message = "expected something true") {
  if (!condition) throw new Error(message);
}

/** Fails unless both are the same: primitives by `Object.is`, arrays, sets and plain objects by what they hold. */
export function equal(actual, expected) {
  if (!same(actual, expected)) throw new Error(`expected ${show(expected)}, got ${show(actual)}`);
}

/** Fails unless `fn` throws an error of `type`; gives that error. */
export function throws(fn, type = Error) {
  let thrown;
  try {
    fn();
  } catch (error) {
    thrown = error;
  }
  return checked(thrown, type);
}

/** Fails unless the promise is rejected with an error of `type`; gives that error. */
export async function rejects(promise, type = Error) {
  let thrown;
  try {
    await promise;
  } catch (error) {
    thrown = error;
  }
  return checked(thrown, type);
}

/** The same for a coroutine or a future, inside a coroutine. */
export function* raises(awaitable, type = Error) {
  let thrown;
  try {
    yield* awaitable;
  } catch (error) {
    thrown = error;
  }
  return checked(thrown, type);
}

function checked(thrown, type) {
  if (thrown instanceof type) return thrown;
  throw new Error(`expected ${type.name}, got ${thrown === undefined ? "no error" : show(thrown)}`, { cause: thrown });
}

function same(a, b) {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Set && b instanceof Set) return same([...a], [...b]);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (!Array.isArray(a) && Object.getPrototypeOf(a) !== Object.prototype) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

function show(value) {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Set) return `a set of ${show([...value])}`;
  return typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
}
