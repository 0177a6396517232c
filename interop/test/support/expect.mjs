// The few assertions that the cases need, in Node and in the browser alike.

// How many characters of a value a failure shows.
const longest = 2000;

/** Fails unless both values are deeply equal: same members, same bytes, same instant, null distinct from undefined. */
export function equal(actual, expected, what = "the value") {
  if (!same(actual, expected)) {
    throw new Error(`${what} is ${show(actual)}, expected ${show(expected)}`);
  }
}

/** Fails unless the condition holds. */
export function ok(condition, what) {
  if (!condition) {
    throw new Error(what);
  }
}

/** Fails unless the promise rejects with exactly this message, or one that matches the whole expression. */
export async function rejects(promise, message) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    if (message instanceof RegExp) {
      ok(message.test(error.message), `the error's message ${show(error.message)} is not ${message}`);
    } else {
      equal(error.message, message, "the error's message");
    }
    return;
  }
  throw new Error(`resolved with ${show(value)}, expected the error ${show(message)}`);
}

/** The error of a call with detailed errors whose argument (from 1) does not bind to its type. The cause is the encoding's. */
export const notBound = (method, argument, type) =>
  new RegExp(
    `^Failed to invoke '${method}' due to an error on the server\\. InvalidDataException: Error binding arguments\\. ` +
      "Make sure that the types of the provided values match the types of the hub method being invoked\\. " +
      `Argument ${argument} \\(${type.replace(".", "\\.")}\\): .+$`,
  );

/** Reports whether both values are deeply equal, as equal demands. */
export function same(a, b) {
  if (Object.is(a, b)) {
    return true;
  }
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    return false;
  }
  if (a instanceof Date || b instanceof Date) {
    return a instanceof Date && b instanceof Date && a.getTime() === b.getTime();
  }
  // Node's decoder yields a Buffer where the browser's yields a Uint8Array: bytes either way.
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return (
      a instanceof Uint8Array && b instanceof Uint8Array && a.length === b.length && a.every((byte, i) => byte === b[i])
    );
  }
  if (Array.isArray(a) !== Array.isArray(b)) {
    return false;
  }
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

/** A value as failures show it. */
export function show(value) {
  const text = value instanceof Error ? `Error(${value.message})` : JSON.stringify(value) ?? String(value);
  return text.length <= longest ? text : `${text.slice(0, longest)}… (${text.length} characters)`;
}
