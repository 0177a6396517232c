// The chat demo over a cable that is cut: short losses nobody notices, longer ones end.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { layCable } from "./support/cable.mjs";
import { comeIn, hears, retries, say, sees, shows, startDemo, visit } from "./support/chat.mjs";
import { launch } from "./support/chromium.mjs";
import { build, temporaryFolder } from "./support/server.mjs";

const limit = { timeout: 180_000 };

let server;
let url;
let cable;
let browser;

before(async () => {
  const program = await build("./web", temporaryFolder());
  server = await startDemo(program);
  url = server.url;
  [cable, browser] = await Promise.all([layCable(url), launch()]);
});

afterEach(() => Promise.all(browser.contexts().map((context) => context.close())));

after(async () => {
  await browser?.close();
  await cable?.stop();
  await server?.stop();
});

/** Ann comes over the cable, Bob does not. */
async function meet(room) {
  const [ann, bob] = await Promise.all([cable.url, url].map((url) => visit(browser, url)));
  await comeIn(ann, "Ann", room);
  await comeIn(bob, "Bob", room);
  await Promise.all([ann, bob].map((page) => sees(page, "Ann", "Bob")));
  return [ann, bob];
}

/** What the room in view shows, line by line. */
const lines = (page) => page.locator(".log:not([hidden]) li").evaluateAll((items) =>
  items.map((item) => (item.querySelector("p.text") ?? item.querySelector("span")).textContent));

test("a short loss is not noticed", limit, async () => {
  const [ann, bob] = await meet("bridge");
  const opened = cable.webSockets();
  for (const page of [ann, bob]) {
    await page.evaluate(() => {
      window.changes = [];
      const observer = new MutationObserver((records) => window.changes.push(
        ...records.filter(({ target }) => !target.hidden).map(({ target }) => `${target.nodeName}: ${target.textContent}`)));
      for (const id of ["state", "roster", "here", "problem", "link"]) {
        observer.observe(document.getElementById(id), { subtree: true, childList: true, characterData: true, attributes: true });
      }
    });
  }

  const losses = 10;
  for (let i = 0; i < losses; i++) {
    const said = [say(ann, `Ann ${i}`), say(bob, `Bob ${i}`)];
    cable.cut();
    await Promise.all(said);
    await Promise.all([hears(ann, `Bob ${i}`), hears(bob, `Ann ${i}`), hears(ann, `Ann ${i}`), hears(bob, `Bob ${i}`)]);
  }
  assert.equal(cable.webSockets() - opened, losses, "the WebSockets that took the place of lost ones");
  for (const page of [ann, bob]) {
    assert.deepEqual(await page.evaluate(() => window.changes), [], "what has changed beside the conversation");
  }

  const [hers, his] = [await lines(ann), await lines(bob)];
  const expected = Array.from({ length: losses }, (_, i) => [`Ann ${i}`, `Bob ${i}`]).flat();
  const isNotice = (text) => / joined$/.test(text);
  assert.deepEqual(hers.filter((text) => !isNotice(text)).sort(), expected.sort(), "all that was said, once");
  assert.deepEqual(hers.filter(isNotice), ["You joined", "Bob joined"]);
  assert.deepEqual(his.filter(isNotice), ["Ann joined", "You joined"]);
  assert.deepEqual(hers.filter((text) => !isNotice(text)), his.filter((text) => !isNotice(text)), "in one order");
});

test("a longer loss is told, and ends", limit, async () => {
  const [ann, bob] = await meet("ferry");
  cable.unplug();
  await retries(ann);
  await hears(ann, "You were disconnected");
  await hears(bob, "Ann left");
  await sees(bob, "Bob");
  await say(bob, "while Ann is away");
  cable.plug();
  await shows(ann, "#state", "Connected");
  await hears(ann, "while Ann is away");
  await Promise.all([ann, bob].map((page) => sees(page, "Ann", "Bob")));
  await say(ann, "back again");
  await hears(bob, "back again");
});
