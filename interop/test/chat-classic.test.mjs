// The chat demo's page for classic clients beside the modern one, in headless Chromium: on one node, and on two.
//
// SCREENSHOTS=folder keeps the pictures that the last tests take.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { comeIn, hears, open, say, sees, shows, startDemo } from "./support/chat.mjs";
import { launch } from "./support/chromium.mjs";
import { legible } from "./support/legible.mjs";
import { startNetwork } from "./support/network.mjs";
import { startRedis } from "./support/redis.mjs";
import { build, temporaryFolder } from "./support/server.mjs";

const limit = { timeout: 180_000 };
const folder = temporaryFolder();
const pictures = process.env.SCREENSHOTS ?? folder;

let program;
let browser;
let nodes = []; // of the current test
let networks = [];
let faults = []; // what the pages' consoles said

before(async () => {
  mkdirSync(pictures, { recursive: true });
  [program, browser] = await Promise.all([build("./web", folder), launch()]);
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
  await Promise.all(networks.splice(0).map((network) => network.stop()));
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
  assert.deepEqual(faults.splice(0), []);
});

after(() => browser?.close());

/** Starts the demo with flags. Resolves with its URL, stop and kill. */
async function startNode(...flags) {
  const node = await startDemo(program, ...flags);
  const started = {
    ...node,
    kill() {
      nodes.splice(nodes.indexOf(started), 1);
      node.kill();
    },
  };
  nodes.push(started);
  return started;
}

const visit = (url, options) => open(browser, url, { faults, ...options });

/** What a browser has to lack so that a page connects by a transport. */
const without = {
  serverSentEvents: () => delete window.WebSocket,
  foreverFrame: () => {
    delete window.WebSocket;
    delete window.EventSource;
  },
  longPolling: () => {
    delete window.WebSocket;
    window.EventSource = class {
      constructor() {
        throw new Error("no event streams");
      }
    };
  },
};

/** Opens the classic page and joins a room. */
async function classic({ url }, name, room, { transport = "webSockets", ...options } = {}) {
  const page = await visit(`${url}/classic.html`, { init: without[transport], ...options });
  await shows(page, "#state", `Connected by ${transport}`);
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Room").fill(room);
  await page.getByRole("button", { name: "Join" }).click();
  await shows(page, "#title", `# ${room}`);
  return page;
}

/** Opens the modern page and joins a room. */
async function modern({ url }, name, room, options) {
  const page = await visit(url, options);
  await shows(page, "#state", "Connected");
  await comeIn(page, name, room);
  return page;
}

/** How often a line with this text is there. */
function times(page, text) {
  return page.locator(".log:not([hidden]) li", { hasText: text }).count();
}

/** What holds of a classic and a modern page, wherever they are. */
async function together(one, two, transport) {
  const cleo = await classic(one, "Cleo", "tea", { transport });
  for (const frame of await cleo.locator("iframe").all()) {
    assert.equal(await frame.isVisible(), false, "nobody sees the forever frame");
  }
  await say(cleo, "said before Mo came");
  await hears(cleo, "said before Mo came");
  const mo = await modern(two, "Mo", "tea");
  await hears(mo, "said before Mo came");
  await hears(cleo, "Mo joined");
  await Promise.all([sees(cleo, "Cleo", "Mo"), sees(mo, "Cleo", "Mo")]);

  await say(mo, "hello from today");
  await hears(cleo, "hello from today");
  await say(cleo, "hello from <b>then</b> & there");
  await hears(mo, "hello from <b>then</b> & there");

  await mo.locator("#new-name").fill("Moe");
  await mo.locator("#new-name").press("Enter");
  await hears(cleo, "Mo is now Moe");
  await sees(cleo, "Cleo", "Moe");

  await cleo.locator("#text").fill("dinner is ready");
  await cleo.getByRole("button", { name: "To everyone" }).click();
  await Promise.all([cleo, mo].map((page) => page.locator(".announcement", { hasText: "dinner is ready" }).first().waitFor()));
  await mo.getByRole("button", { name: "Everyone" }).click();
  await say(mo, "coming");
  await cleo.locator(".announcement", { hasText: "coming" }).waitFor();

  // To another room and back.
  await mo.getByRole("button", { name: "# tea" }).click();
  await cleo.getByLabel("Room").fill("Coffee");
  await cleo.getByRole("button", { name: "Join" }).click();
  await shows(cleo, "#title", "# coffee");
  await hears(mo, "Cleo left");
  await sees(mo, "Moe");
  await say(mo, "only for tea");
  await hears(mo, "only for tea");
  await cleo.getByLabel("Room").fill("tea");
  await cleo.getByRole("button", { name: "Join" }).click();
  await sees(mo, "Cleo", "Moe");
  await hears(cleo, "only for tea");
  assert.equal(await times(cleo, "said before Mo came"), 1);

  await mo.context().close();
  await hears(cleo, "Moe left");
  await sees(cleo, "Cleo");
  const again = await modern(two, "Mo", "tea");
  await sees(again, "Cleo", "Mo");
  await cleo.goto("about:blank");
  await sees(again, "Mo");
  assert.equal(await times(again, "Cleo left"), 2);
}

for (const transport of ["webSockets", ...Object.keys(without)]) {
  test(`a classic page by ${transport} and a modern page talk in one room`, limit, async () => {
    const node = await startNode();
    await together(node, node, transport);
    // The client makes its frame with an inline style, which the page's policy forbids; the page hides the frame itself.
    faults = faults.filter((fault) => !/^Applying inline style/.test(fault));
  });
}

test("the pages lead to each other, and errors are shown", limit, async () => {
  const node = await startNode();
  const page = await visit(node.url);
  await page.getByRole("link", { name: "page for clients of ASP.NET SignalR 2.x" }).click();
  await shows(page, "#state", "Connected by webSockets");
  await page.getByLabel("Your name").fill("Cleo");
  await page.getByLabel("Room").fill("not/allowed");
  await page.getByLabel("Your name").press("Enter");
  await shows(page, "#problem-text", "The name of a room has only letters, digits, - and _.");
  await page.getByLabel("Room").fill("tea");
  await page.getByLabel("Your name").press("Enter");
  await shows(page, "#title", "# tea");
  await page.locator("#problem").waitFor({ state: "hidden" });
  await page.getByRole("link", { name: "Modern page" }).click();
  await shows(page, "#state", "Connected");
});

describe("a farm", { concurrency: false }, () => {
  let redis;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis?.stop());

  const farmNode = () => startNode("-redis", redis.address);

  test("a classic and a modern page talk over two nodes", limit, async () => {
    const [one, two] = [await farmNode(), await farmNode()];
    await together(one, two);
  });

  test("a classic page whose node dies goes on at the other one", limit, async () => {
    const [one, two] = [await farmNode(), await farmNode()];
    const network = await startNetwork(one.url);
    networks.push(network);
    const [cleo, mo] = [await classic(network, "Cleo", "storm"), await modern(two, "Mo", "storm")];
    await Promise.all([sees(cleo, "Cleo", "Mo"), sees(mo, "Cleo", "Mo")]);
    await say(cleo, "before");
    await hears(mo, "before");
    network.moveTo(two.url);
    one.kill();
    network.cut();
    await say(mo, "meanwhile");
    await hears(cleo, "meanwhile");
    await shows(cleo, "#state", "Connected by webSockets");
    await say(cleo, "after");
    await hears(mo, "after");
    await Promise.all([sees(cleo, "Cleo", "Mo"), sees(mo, "Cleo", "Mo")]);
    for (const text of ["before", "meanwhile", "after"]) {
      assert.deepEqual(await Promise.all([times(cleo, text), times(mo, text)]), [1, 1], text);
    }
  });
});

const looks = [
  { name: "light", colorScheme: "light", viewport: { width: 1280, height: 800 } },
  { name: "dark", colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  { name: "phone-light", colorScheme: "light", viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true },
  { name: "phone-dark", colorScheme: "dark", viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true },
];
for (const { name, ...options } of looks) {
  test(`it can be read: ${name}`, limit, async () => {
    const node = await startNode();
    const picture = (page, what) => page.screenshot({ path: join(pictures, `classic-${name}${what}.png`) });
    const page = await visit(`${node.url}/classic.html`, options);
    await shows(page, "#state", "Connected by webSockets");
    await legible(page);
    await picture(page, "-enter");
    await page.close();

    const cleo = await classic(node, "Cleo Baker", "reading", options);
    const mo = await modern(node, "Mo", "reading");
    await say(mo, "Good morning! Did the new release go out?");
    await hears(cleo, "Good morning!");
    await say(cleo, "It did, an hour ago. A very long word, to see that it stays in its place: " + "looooong".repeat(12));
    await hears(mo, "It did, an hour ago");
    await mo.locator("#new-name").fill("Mo Carter");
    await mo.locator("#new-name").press("Enter");
    await hears(cleo, "Mo is now Mo Carter");
    await mo.getByRole("button", { name: "Everyone" }).click();
    await say(mo, "The server restarts at noon.");
    await hears(cleo, "The server restarts at noon.");
    await legible(cleo);
    await picture(cleo, "");
  });
}
