// What people do on the chat's page, and what they see there.

/** Opens the page in a browser context of its own and waits until it is connected. */
export async function visit(browser, url, { patience, ...options }) {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(patience);
  await page.goto(url);
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

/** Waits until an element has exactly this text. */
export function shows(page, selector, text) {
  return page.waitForFunction(
    ([selector, text]) => document.querySelector(selector)?.textContent.trim() === text, [selector, text]);
}

/** Waits until the room in view has a line with this text. */
export function hears(page, text) {
  return page.locator(".log:not([hidden]) li", { hasText: text }).waitFor();
}

/** Waits until exactly these people are here. */
export function sees(page, ...names) {
  return page.waitForFunction((names) => {
    const here = [...document.querySelectorAll("#roster .name")].map((name) => name.textContent);
    return JSON.stringify(here) === JSON.stringify(names);
  }, names);
}
