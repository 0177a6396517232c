// Bounded waits, in Node and in the browser alike: a wait that times out fails with what it waited for and what it saw.

import { same, show } from "./expect.mjs";

/** The default timeout of a wait, in milliseconds: far more than a busy machine needs. */
export const usualTimeout = 30_000;

/** How long a case may take, in milliseconds. Its waits usually time out before. */
export const caseLimit = 90_000;

const shownItems = 20;
const longestLook = 5_000; // ms

// The pending waits of the running case. Node runs several cases at once, a page one at a time.
const { AsyncLocalStorage } = globalThis.process ? await import("node:async_hooks") : {};
const scopes = AsyncLocalStorage
  ? new AsyncLocalStorage()
  : { run: (store, run) => ((scopes.store = store), run()), getStore: () => scopes.store };

/** What a wait that has timed out rejects with. */
export class TimeoutError extends Error {}

/**
 * Settles as the promise does. After `timeout` milliseconds it rejects with what was awaited and what the function `seen`,
 * which may be asynchronous, returns then. A rejection that nobody awaits is not an unhandled one.
 */
export function within(promise, what, { seen, timeout = usualTimeout } = {}) {
  const pending = scopes.getStore();
  const wait = { what, seen };
  const ended = new Promise((_, reject) => {
    wait.end = reject;
  });
  const timer = setTimeout(async () => {
    wait.end(new TimeoutError(`timed out after ${timeout} ms waiting for ${await describe(wait)}`));
  }, timeout);
  pending?.add(wait);
  const result = Promise.race([promise, ended]).finally(() => {
    clearTimeout(timer);
    pending?.delete(wait);
  });
  result.catch(() => {});
  return result;
}

async function describe({ what, seen }) {
  if (!seen) {
    return what;
  }
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(reject, longestLook, new Error("no answer"));
  });
  try {
    return `${what}; saw ${show(await Promise.race([late, (async () => seen())()]))}`;
  } catch (error) {
    return `${what}; what was seen is unknown: ${error.message}`;
  } finally {
    clearTimeout(timer);
  }
}

/** Runs a case within a limit. The failure names the waits that are pending then. */
export async function withinLimit(run, limit = caseLimit) {
  const pending = new Set();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(async () => {
      const waits = await Promise.all([...pending].map(describe));
      reject(new Error(`not finished within ${limit} ms, waiting for ${waits.join(", and for ") || "nothing known"}`));
    }, limit);
  });
  try {
    await Promise.race([scopes.run(pending, run), late]);
  } finally {
    clearTimeout(timer);
    pending.forEach(({ end }) => end(new TimeoutError("the case has ended")));
  }
}

/** Resolves with the error that a promise, of whatever library, is rejected with. That a wait has timed out is none. */
export function failure(promise, what = "a rejection") {
  const rejected = new Promise((resolve, reject) => {
    promise.then(
      (value) => reject(new Error(`resolved with ${show(value)}, not rejected`)),
      (error) => (error instanceof TimeoutError ? reject(error) : resolve(error)),
    );
  });
  return within(rejected, what);
}

/** Calls ask until accept returns true for its result, which it resolves with. A timeout shows that or what `seen` returns. */
export function poll(ask, what, { accept = Boolean, interval = 10, seen, timeout } = {}) {
  let last;
  let over = false;
  const accepted = (async () => {
    while (!over) {
      last = await ask();
      if (accept(last)) {
        return last;
      }
      await new Promise((resolve) => setTimeout(resolve, interval));
    }
  })();
  const result = within(accepted, what, { seen: seen ?? (() => last), timeout });
  result.finally(() => (over = true)).catch(() => {});
  return result;
}

/** Calls ask until its result equals the wanted value. */
export function eventually(ask, wanted, what, options) {
  return poll(ask, `${what} to be ${show(wanted)}`, { interval: 100, ...options, accept: (value) => same(value, wanted) });
}

/** Bounds methods of an object that return promises. The name says whose they are. */
export function boundMethods(object, name, ...methods) {
  for (const method of methods) {
    const original = object[method];
    object[method] = (...args) => {
      const detail = typeof args[0] === "string" ? ` ${args[0].slice(0, 60)}` : "";
      return within(original.apply(object, args), `${method}${detail} of ${name}`);
    };
  }
}

/** The global fetch, bounded. */
export function fetch(url, options) {
  return within(globalThis.fetch(url, options), `the response to ${options?.method ?? "GET"} ${String(url).split("?")[0]}`);
}

/** What arrives, in order. */
export class Log {
  items = [];
  #name;
  #checks = new Set();

  constructor(name = "items") {
    this.#name = name;
  }

  add(item) {
    this.items.push(item);
    this.#checks.forEach((check) => check());
  }

  /** Resolves with all items once the condition holds for them. A timeout shows it and the last items. */
  until(condition, options) {
    let check;
    const holds = new Promise((resolve) => {
      check = () => condition(this.items) && resolve(this.items);
    });
    this.#checks.add(check);
    check();
    const result = within(holds, `${options?.what ?? condition} among the ${this.#name}`, { ...options, seen: () => this.#seen() });
    result.finally(() => this.#checks.delete(check)).catch(() => {});
    return result;
  }

  /** Resolves with all items once there are at least so many. */
  count(number, options) {
    return this.until(({ length }) => length >= number, { what: `${number} items`, ...options });
  }

  /** Resolves with all items once one equals the wanted one. */
  has(wanted, options) {
    return this.until((items) => items.some((item) => same(item, wanted)), { what: show(wanted), ...options });
  }

  #seen() {
    const { length } = this.items;
    return length <= shownItems ? this.items : [`${length} items, the last ones:`, ...this.items.slice(-shownItems)];
  }
}
