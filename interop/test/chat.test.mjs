// The chat demo in headless Chromium, as its users see it: two people, each with a browser of their own.
//
// SCREENSHOTS=folder keeps the pictures that the last tests take.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import { focuses, hears, open, retries, say, sees, shows, startDemo } from "./support/chat.mjs";
import { launch } from "./support/chromium.mjs";
import { legible } from "./support/legible.mjs";
import { build, temporaryFolder } from "./support/server.mjs";
import { Log, boundMethods } from "./support/wait.mjs";

const limit = { timeout: 180_000 };
const folder = temporaryFolder();
const pictures = process.env.SCREENSHOTS ?? folder;

let program;
let server;
let browser;
let faults = []; // what the pages' consoles said

before(async () => {
  mkdirSync(pictures, { recursive: true });
  program = await build("./web", folder);
  [server, browser] = await Promise.all([startDemo(program), launch()]);
});

afterEach(async () => {
  await Promise.all((browser?.contexts() ?? []).map((context) => context.close()));
  assert.deepEqual(faults.splice(0), []);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Opens the page and waits until it is connected. */
async function visit(options = {}) {
  const page = await open(browser, server.url, { faults, ...options });
  await shows(page, "#state", "Connected");
  return page;
}

/** Opens the page and joins a room. */
async function enter(name, room, options) {
  const page = await visit(options);
  await comeIn(page, name, room);
  return page;
}

async function comeIn(page, name, room) {
  await page.getByLabel("Your name").and(page.locator(":visible")).fill(name);
  await page.getByLabel("Room", { exact: true }).fill(room);
  await page.getByRole("button", { name: "Join" }).click();
  await shows(page, "#title", `# ${room}`);
}

function heard(page, text) {
  return page.locator(".log li", { hasText: text }).count();
}

describe("chat", () => {
  test("people in a room see and hear each other", limit, async () => {
    const [ann, bob] = [await enter("Ann", "tea"), await enter("Bob", "tea")];
    await Promise.all([sees(ann, "Ann", "Bob"), sees(bob, "Ann", "Bob")]);
    await hears(ann, "Bob joined");

    await say(ann, "Is the water hot?");
    await hears(bob, "Is the water hot?");
    await say(bob, "Nearly.");
    await hears(ann, "Nearly.");
    assert.equal(await ann.locator(".own", { hasText: "Is the water hot?" }).count(), 1);
    assert.equal(await bob.locator(".own", { hasText: "Is the water hot?" }).count(), 0);
    assert.equal(await ann.locator("#joined [aria-current=true] .count").innerText(), "2\nhere");
  });

  test("a newcomer sees what was said before, once", limit, async () => {
    const ann = await enter("Ann", "past");
    await say(ann, "first");
    await say(ann, "second");
    await hears(ann, "second");
    const bob = await enter("Bob", "past");
    await hears(bob, "second");
    assert.deepEqual(await bob.locator(".log:not([hidden]) .said .text").allInnerTexts(), ["first", "second"]);
  });

  test("a room does not hear another one", limit, async () => {
    const [ann, bob] = [await enter("Ann", "north"), await enter("Bob", "south")];
    await say(ann, "only for the north");
    await hears(ann, "only for the north");
    await say(bob, "only for the south");
    await hears(bob, "only for the south");
    assert.equal(await heard(bob, "only for the north"), 0);
    assert.equal(await heard(ann, "only for the south"), 0);

    // Who is in both hears both, and is told of what they do not look at.
    await ann.getByLabel("Join or make a room").fill("South");
    await ann.getByLabel("Join or make a room").press("Enter");
    await shows(ann, "#title", "# south");
    await sees(bob, "Ann", "Bob");
    await ann.getByRole("button", { name: "# north" }).click();
    await say(bob, "one more for the south");
    await ann.getByRole("button", { name: /# south\s*1\s*unread/ }).click();
    await hears(ann, "one more for the south");

    await ann.getByRole("button", { name: "Leave this room" }).click();
    await shows(ann, "#title", "# north");
    await hears(bob, "Ann left");
    await sees(bob, "Bob");
    await say(bob, "after they left");
    await hears(bob, "after they left");
    assert.equal(await heard(ann, "after they left"), 0);
  });

  test("who closes the page has left", limit, async () => {
    const [ann, bob] = [await enter("Ann", "door"), await enter("Bob", "door")];
    await sees(ann, "Ann", "Bob");
    await bob.context().close();
    await hears(ann, "Bob left");
    await sees(ann, "Ann");
  });

  test("a new name is known to all", limit, async () => {
    const [ann, bob] = [await enter("Ann", "names"), await enter("Bob", "names")];
    await bob.locator("#new-name").fill("Robert");
    await bob.locator("#new-name").press("Enter");
    await hears(ann, "Bob is now Robert");
    await sees(ann, "Ann", "Robert");
    await hears(bob, "You are now Robert");
  });

  test("Send reaches everyone, from and to clients without rooms", limit, async () => {
    const [ann, bob] = [await enter("Ann", "east"), await enter("Bob", "west")];
    const plain = new HubConnectionBuilder().withUrl(`${server.url}/chat`).configureLogging(LogLevel.None).build();
    boundMethods(plain, "/chat", "start", "invoke", "stop");
    const received = new Log("messages");
    plain.on("messageReceived", (...args) => received.add(args));
    for (const method of ["welcome", "roomsChanged"]) {
      plain.on(method, () => {});
    }
    await plain.start();
    await plain.invoke("Send", "dinner is ready");
    await Promise.all([ann, bob].map((page) => page.locator(".log:not([hidden]) .announcement", { hasText: "dinner is ready" }).waitFor()));
    assert.deepEqual(await received.count(1), [["dinner is ready"]]);

    await ann.getByRole("button", { name: "Everyone" }).click();
    await hears(ann, "dinner is ready");
    await say(ann, "coming");
    await hears(bob, "coming");
    await hears(ann, "coming");
    assert.deepEqual((await received.count(2))[1], ["coming"]);
    await plain.stop();
  });

  test("what people write is shown as they wrote it", limit, async () => {
    const text = "<img src=x onerror=alert(1)> & <b>bold</b>\nsecond line";
    const [ann, bob] = [await enter("<i>Ann</i>", "markup"), await enter("Bob", "markup")];
    await ann.locator("#text").fill(text);
    await ann.getByRole("button", { name: "Send" }).click();
    await hears(bob, "second line");
    assert.equal(await bob.locator(".said .text").innerText(), text);
    await sees(bob, "<i>Ann</i>", "Bob");
    assert.equal(await bob.locator(".log img, .log b, .log i").count(), 0);
  });

  test("errors of the server are shown, and go", limit, async () => {
    const ann = await enter("Ann", "errors");
    await ann.getByLabel("Join or make a room").fill("not/allowed");
    await ann.getByLabel("Join or make a room").press("Enter");
    await shows(ann, "#problem-text", "The name of a room has only letters, digits, - and _.");
    await ann.getByRole("button", { name: "Dismiss" }).click();
    await ann.locator("#problem").waitFor({ state: "hidden" });
  });
});

describe("connection", () => {
  test("the page comes back to its rooms when the server does", limit, async () => {
    const [ann, bob] = [await enter("Ann", "harbour"), await enter("Bob", "harbour")];
    await say(ann, "before the storm");
    await hears(bob, "before the storm");

    const { host } = new URL(server.url);
    await server.stop();
    await Promise.all([ann, bob].map(retries));
    await hears(ann, "You were disconnected");
    await ann.locator("#text").fill("still there?");
    await ann.locator("#text").press("Enter");
    await ann.locator("#problem").waitFor();
    assert.equal(await ann.locator("#text").inputValue(), "still there?", "what could not be sent is kept");

    server = await startDemo(program, "-addr", host);
    await Promise.all([shows(ann, "#state", "Connected"), shows(bob, "#state", "Connected")]);
    await Promise.all([sees(ann, "Ann", "Bob"), sees(bob, "Ann", "Bob")]);
    await ann.locator("#problem").waitFor({ state: "hidden" });
    await ann.locator("#text").press("Enter");
    await hears(bob, "still there?");
    await hears(bob, "before the storm");
  });

  test("who disconnects stays away until they reconnect", limit, async () => {
    const [ann, bob] = [await enter("Ann", "island"), await enter("Bob", "island")];
    await sees(ann, "Ann", "Bob");
    await bob.getByRole("button", { name: "Disconnect" }).click();
    await shows(bob, "#state", "Disconnected");
    await sees(ann, "Ann");
    await say(ann, "while Bob is away");
    await hears(ann, "while Bob is away");

    await bob.getByRole("button", { name: "Reconnect" }).click();
    await shows(bob, "#state", "Connected");
    await sees(ann, "Ann", "Bob");
    await hears(bob, "while Bob is away");
    await say(bob, "back again");
    await hears(ann, "back again");
  });
});

describe("page", () => {
  /** Presses Tab (or Shift+Tab) until an element has the focus, which must be visible at each stop. */
  async function tabTo(page, selector, key = "Tab") {
    for (let presses = 0; presses < 40; presses++) {
      await page.keyboard.press(key);
      const [arrived, visible, where] = await page.evaluate((selector) => {
        const focused = document.activeElement;
        const { outlineStyle, outlineWidth } = getComputedStyle(focused);
        return [focused.matches(selector), outlineStyle !== "none" && outlineWidth !== "0px", focused.outerHTML];
      }, selector);
      assert.ok(visible || where.startsWith("<body"), `the focus is not visible on ${where}`);
      if (arrived) {
        return;
      }
    }
    assert.fail(`${selector} cannot be reached with ${key}`);
  }

  test("everything can be done with the keyboard alone", limit, async () => {
    const bob = await enter("Bob", "keys");
    const page = await visit();
    const { keyboard } = page;
    const focus = (selector) => focuses(page, selector);
    await focus("#name");
    await keyboard.type("Kay");
    await tabTo(page, "#first-room");
    await keyboard.press("ControlOrMeta+A");
    await keyboard.type("keys");
    await keyboard.press("Enter");
    await focus("#text");
    await keyboard.type("typed");
    await keyboard.press("Shift+Enter");
    await keyboard.type("on two lines");
    await keyboard.press("Enter");
    await hears(bob, "on two lines");
    assert.equal(await bob.locator(".said .text").innerText(), "typed\non two lines");

    await tabTo(page, "#room", "Shift+Tab");
    await keyboard.type("more keys");
    await keyboard.press("Enter");
    await shows(page, "#title", "# more-keys");
    await focus("#text");
    await tabTo(page, "#joined button:not([aria-current=true])", "Shift+Tab");
    await keyboard.press("Enter");
    await focus("#text");
    await tabTo(page, "#leave");
    await keyboard.press("Space");
    await focus("#text");
    await tabTo(page, "#new-name");
    await keyboard.press("ControlOrMeta+A");
    await keyboard.type("Kim");
    await keyboard.press("Enter");
    await tabTo(page, "#skip", "Shift+Tab");
    await keyboard.press("Enter");
    await focus("#text");
  });

  test("on a phone the lists open and close", limit, async () => {
    const page = await enter("Ann", "pocket", { viewport: { width: 320, height: 568 }, hasTouch: true, isMobile: true });
    await page.locator("#rooms").waitFor({ state: "hidden" });
    await page.getByRole("button", { name: /^Rooms/ }).tap();
    await page.getByRole("button", { name: /# random/ }).tap();
    await shows(page, "#title", "# random");
    await page.locator("#rooms").waitFor({ state: "hidden" });
    await page.getByRole("button", { name: /^People/ }).click();
    await sees(page, "Ann");
    await page.locator("#people").waitFor();
    await page.keyboard.press("Escape");
    await page.locator("#people").waitFor({ state: "hidden" });
    assert.equal(await page.evaluate(() => document.activeElement.id), "open-people");
  });

  const looks = [
    { name: "light", colorScheme: "light", viewport: { width: 1280, height: 800 } },
    { name: "dark", colorScheme: "dark", viewport: { width: 1280, height: 800 } },
    { name: "tablet", colorScheme: "light", viewport: { width: 820, height: 1000 } },
    { name: "phone-light", colorScheme: "light", viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true },
    { name: "phone-dark", colorScheme: "dark", viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true },
  ];
  for (const { name, ...options } of looks) {
    test(`it can be read: ${name}`, limit, async () => {
      const room = `reading-${name}`;
      const page = await visit(options);
      await legible(page);
      await picture(page, `${name}-enter`);
      await comeIn(page, "Ann Baker", room);
      const bob = await enter("Bob", room);
      await say(bob, "Good morning! Did the new release go out?");
      await say(bob, "I have only seen the announcement.");
      await hears(page, "I have only seen the announcement.");
      await say(page, "It did, an hour ago. A very long word, to see that it stays in its place: " + "looooong".repeat(12));
      await hears(bob, "It did, an hour ago");
      await bob.locator("#new-name").fill("Bob Carter");
      await bob.locator("#new-name").press("Enter");
      await hears(page, "Bob is now Bob Carter");
      await bob.getByRole("button", { name: "Everyone" }).click();
      await say(bob, "The server restarts at noon.");
      await hears(page, "The server restarts at noon.");
      await bob.getByLabel("Join or make a room").fill("a-room-with-a-rather-long-name");
      await bob.getByLabel("Join or make a room").press("Enter");
      await page.locator("#others li", { hasText: "rather-long" }).waitFor({ state: "attached" });
      await legible(page);
      await picture(page, name);
      for (const panel of ["rooms", "people"]) {
        const opener = page.locator(`#open-${panel}`);
        if (await opener.isVisible()) {
          await opener.click();
          await legible(page);
          await picture(page, `${name}-${panel}`);
          await page.keyboard.press("Escape");
        }
      }
    });
  }

  const picture = (page, name) => page.screenshot({ path: join(pictures, `${name}.png`) });
});
