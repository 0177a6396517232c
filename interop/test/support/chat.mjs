// The chat demo: its server, what people do on its pages, and what they see there.

import { join } from "node:path";
import { interop, start } from "./server.mjs";
import { eventually, usualTimeout, within } from "./wait.mjs";

/** Starts the demo with flags at a free port. Resolves with { url, stop, kill }. */
export async function startDemo(program, ...flags) {
  const node = await start(program, ["-addr", "127.0.0.1:0", "-dir", join(interop, "..", "web"), ...flags]);
  return { ...node, url: node.line.replace(/^listening on /, "") };
}

/** Opens a page in a browser context of its own, after a script init. What goes wrong in it is added to faults. */
export async function open(browser, url, { faults = [], init, ...options } = {}) {
  const page = await (await browser.newContext(options)).newPage();
  if (init) {
    await page.addInitScript(init);
  }
  page.setDefaultTimeout(usualTimeout);
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    // The browser itself reports each attempt to reach a server that is down.
    if (message.type() === "error" && !/WebSocket|net::ERR_|Failed to load resource/.test(message.text())) {
      faults.push(message.text());
    }
  });
  await page.goto(url);
  return page;
}

/** Opens the page and waits until it is connected. */
export async function visit(browser, url, options) {
  const page = await open(browser, url, options);
  await shows(page, "#state", "Connected");
  return page;
}

/** Joins the first room. */
export async function comeIn(page, name, room) {
  await page.locator("#name").fill(name);
  await page.locator("#first-room").fill(room);
  await page.locator("#enter-form button").click();
  await shows(page, "#title", `# ${room}`);
}

export async function say(page, text) {
  await page.locator("#text").fill(text);
  await page.locator("#text").press("Enter");
}

/** Waits until a function is true in the page. seen says what failures show. */
function holds(page, condition, argument, what, seen) {
  return within(page.waitForFunction(condition, argument, { timeout: 0 }), what, { seen });
}

/** Waits until an element has exactly this text. */
export function shows(page, selector, text) {
  return holds(page, ([selector, text]) => document.querySelector(selector)?.textContent.trim() === text, [selector, text],
    `${selector} to show ${JSON.stringify(text)}`, () => page.locator(selector).allTextContents());
}

/** Waits until the page reports that an attempt to reconnect has failed. */
export function retries(page) {
  return holds(page, () => /^Reconnecting, attempt [2-9]/.test(document.querySelector("#state").textContent), undefined,
    "another attempt to reconnect", () => page.locator("#state").textContent());
}

/** Waits until an element has the focus. */
export function focuses(page, selector) {
  return holds(page, (selector) => document.activeElement.matches(selector), selector,
    `the focus on ${selector}`, () => page.evaluate(() => document.activeElement.outerHTML.slice(0, 200)));
}

/** Waits until the room in view has a line with this text. */
export function hears(page, text) {
  const lines = page.locator(".log:not([hidden]) li");
  return within(lines.filter({ hasText: text }).first().waitFor({ timeout: 0 }), `a line ${JSON.stringify(text)}`,
    { seen: async () => (await lines.allInnerTexts()).slice(-20) });
}

/** Waits until exactly these people are here. */
export function sees(page, ...names) {
  const here = () => document.querySelector("#people ul")
    ? [...document.querySelectorAll("#roster .name")].map((name) => name.textContent)
    : document.querySelector("#people").textContent.split(", "); // on the page for classic clients
  return eventually(() => page.evaluate(here), names, "the people here", { interval: 20 });
}
