// Pages of Chromium, each in a browser context, and so with cookies and connections, of its own. What is awaited of a page
// that crashes or closes fails at once.

import { within } from "./wait.mjs";

/**
 * Opens a page whose scripts define the global function `ready` last. Resolves with { page, faults, call, close }: faults
 * are the errors that nobody has caught so far, and call(name, args, options) calls a global function, with the options of
 * within.
 */
export async function openPage(browser, url, ready, { prepare = () => {}, ...options } = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", ({ message }) => faults.push(message));
  await prepare(page);
  await page.goto(url);
  await within(page.waitForFunction((ready) => window[ready], ready), `${ready} of ${url}`, { seen: () => faults });
  return {
    page,
    faults,
    call: (name, args, options) =>
      within(page.evaluate(([name, args]) => window[name](...args), [name, args]), `${name} in the page`, options),
    close: () => within(context.close(), "the page to close"),
  };
}

/**
 * Keeps up to `size` of what open() resolves with. use(run) runs a function with one of them that is free: it serves one
 * case after another, until one fails, which may leave anything behind.
 */
export function pool(size, open) {
  const free = [];
  const waiting = [];
  let used = 0;
  return {
    async use(run) {
      while (used === size) {
        await new Promise((resolve) => waiting.push(resolve));
      }
      used++;
      try {
        const one = free.pop() ?? (await open());
        try {
          await run(one);
          free.push(one);
        } catch (error) {
          await one.close().catch(() => {}); // the failure is the case's
          throw error;
        }
      } finally {
        used--;
        waiting.shift()?.();
      }
    },
    close: () => Promise.all(free.splice(0).map((one) => one.close())),
  };
}
