// The tests' own tools: waits that time out say what they waited for, and cases on one page do not disturb each other.

import { after, describe, test } from "node:test";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { openClassic } from "./support/classic.mjs";
import { launch } from "./support/chromium.mjs";
import { equal, ok, rejects } from "./support/expect.mjs";
import { openPage, pool } from "./support/pages.mjs";
import { interop, startServer } from "./support/server.mjs";
import { Log, eventually, failure, poll, within, withinLimit } from "./support/wait.mjs";

const never = new Promise(() => {});
const soon = { timeout: 20 };

describe("a wait that times out", () => {
  test("names what it waited for and what it saw", async () => {
    await rejects(within(never, "the end", soon), "timed out after 20 ms waiting for the end");
    await rejects(within(never, "the end", { ...soon, seen: async () => ["a"] }),
      'timed out after 20 ms waiting for the end; saw ["a"]');
    await rejects(within(never, "the end", { ...soon, seen: () => { throw new Error("gone"); } }),
      "timed out after 20 ms waiting for the end; what was seen is unknown: gone");
  });

  test("shows the last result of a poll", async () => {
    let count = 0;
    await rejects(poll(() => ++count && "no", "yes", { ...soon, accept: (value) => value === "yes" }),
      'timed out after 20 ms waiting for yes; saw "no"');
    const asked = count;
    await new Promise((resolve) => setTimeout(resolve, 50));
    ok(count <= asked + 1, "the poll goes on");
    await rejects(eventually(() => [1], [1, 2], "the list", { ...soon, interval: 1 }),
      "timed out after 20 ms waiting for the list to be [1,2]; saw [1]");
  });

  test("shows the items of a log", async () => {
    const log = new Log("letters");
    ["a", "b"].forEach((letter) => log.add(letter));
    await rejects(log.has("c", soon), 'timed out after 20 ms waiting for "c" among the letters; saw ["a","b"]');
    await rejects(log.count(3, soon), 'timed out after 20 ms waiting for 3 items among the letters; saw ["a","b"]');
    const third = log.count(3);
    log.add("c");
    equal(await third, ["a", "b", "c"]);
  });

  test("is not a failure that a case expects", async () => {
    equal((await failure(Promise.reject(new Error("expected")))).message, "expected");
    await rejects(failure(within(never, "the end", soon)), "timed out after 20 ms waiting for the end");
  });
});

test("a case that reaches its limit names its own pending waits", async () => {
  const caseOf = (letter) => withinLimit(() => within(never, letter, { seen: () => letter.toUpperCase() }), 20);
  const failures = await Promise.all(["a", "b"].map((letter) => failure(caseOf(letter))));
  equal(failures.map(({ message }) => message),
    ['not finished within 20 ms, waiting for a; saw "A"', 'not finished within 20 ms, waiting for b; saw "B"']);
});

describe("pages", () => {
  let browser;
  let server;
  const opened = (async () => {
    [browser, server] = await Promise.all([launch(), startServer("-static", interop, "-classic")]);
  })();
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  test("a page that crashes fails what is awaited of it at once, and serves no other case", async () => {
    await opened;
    const pages = await pool(1, () => openPage(browser, `${server.httpUrl}/test/support/page.html`, "runCase"));
    const { message } = await failure(pages.use(async ({ page, call }) => {
      await page.evaluate(() => (window.hang = () => new Promise(() => {})));
      const hanging = call("hang", []);
      page.goto("chrome://crash").catch(() => {}); // it never arrives
      await hanging;
    }));
    ok(message.includes("crashed"), message);
    await pages.use(async ({ page }) => equal(await page.evaluate(() => 1), 1));
    await pages.close();
  });

  test("requests that a case has left on their way are not those of the next case", async () => {
    await opened;
    const page = await openClassic(browser, server.httpUrl, { through: (url) => slowUp(url, 200) });
    try {
      // The client keeps reconnecting until the case ends.
      await page.run("loss [longPolling] a client that may not come back gives up after its time");
      await page.run("loss [longPolling] a token that is not the server's gets no connection back");
    } finally {
      await page.close();
    }
  });
});

/** Resolves with the URL of a relay to an http:// URL that delays what goes up by some milliseconds. */
async function slowUp(target, delay) {
  const { hostname, port } = new URL(target);
  const relay = createServer((client) => {
    const server = connect({ host: hostname, port });
    client.on("data", (data) => setTimeout(() => server.write(data), delay));
    client.on("close", () => setTimeout(() => server.destroy(), delay));
    server.pipe(client);
    server.on("close", () => client.destroy());
    [client, server].forEach((socket) => socket.on("error", () => {}));
  });
  relay.unref();
  await once(relay.listen(0, "127.0.0.1"), "listening");
  return `http://127.0.0.1:${relay.address().port}`;
}
