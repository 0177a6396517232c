// Pages of Chromium, each in a browser context, and so with cookies and connections, of its own. What is awaited of a page
// that crashes or closes fails at once.

import { within } from "./wait.mjs";

const openTimeout = 120_000; // ms; several pages that open at once keep a busy machine occupied

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
  const opened = async () => {
    await page.goto(url, { timeout: 0 });
    await page.waitForFunction((ready) => window[ready], ready, { timeout: 0 });
  };
  await within(opened(), `${url} to define ${ready}`, { seen: () => faults, timeout: openTimeout });
  return {
    page,
    faults,
    call: (name, args, options) =>
      within(page.evaluate(([name, args]) => window[name](...args), [name, args]), `${name} in the page`, options),
    close: () => within(context.close(), "the page to close"),
  };
}

/**
 * Keeps `size` of what open() resolves with. use(run) runs a function with one of them that is free: it serves one case
 * after another, until one fails, which may leave anything behind, and another takes its place.
 */
export async function pool(size, open) {
  const free = await Promise.all(Array.from({ length: size }, open));
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
