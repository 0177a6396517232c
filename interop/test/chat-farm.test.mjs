// The chat demo on two nodes: real processes, a Redis of the test's own, and a page in Chromium on each node.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { comeIn, hears, say, sees, shows, startDemo, visit } from "./support/chat.mjs";
import { launch } from "./support/chromium.mjs";
import { freePort, startRedis } from "./support/redis.mjs";
import { build, buildTimeout, interop, temporaryFolder } from "./support/server.mjs";
import { within } from "./support/wait.mjs";

const limit = { timeout: 180_000 };

let program;
let redis;
let browser;
let nodes = []; // of the current test

before(async () => {
  [program, redis, browser] = await Promise.all([build("./web", temporaryFolder()), startRedis(), launch()]);
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
});

after(async () => {
  await browser?.close();
  await redis?.stop();
});

/** Starts the demo with flags. Resolves with its URL, its port, stop and kill. */
async function startNode(...flags) {
  const node = await startDemo(program, ...flags);
  const started = {
    ...node,
    port: new URL(node.url).port,
    kill() {
      nodes.splice(nodes.indexOf(started), 1);
      node.kill();
    },
  };
  nodes.push(started);
  return started;
}

/** Opens a node's page and joins a room. */
async function enter({ url }, name, room) {
  const page = await visit(browser, url);
  await comeIn(page, name, room);
  return page;
}

test("two nodes are one chat", limit, async () => {
  const one = await startNode("-redis", redis.address);
  const two = await startNode("-redis", redis.address, "-name", "east");
  const ann = await enter(one, "Ann", "tea");
  await say(ann, "said before Bob came");
  await hears(ann, "said before Bob came");
  const bob = await enter(two, "Bob", "tea");
  await Promise.all([shows(ann, "#node", `node ${one.port}`), shows(bob, "#node", "node east")]);

  await Promise.all([sees(ann, "Ann", "Bob"), sees(bob, "Ann", "Bob")]);
  await hears(bob, "said before Bob came");
  await hears(ann, "Bob joined");
  await say(bob, "hello from the other node");
  await hears(ann, "hello from the other node");
  await say(ann, "hello back");
  await hears(bob, "hello back");

  await bob.locator("#leave").click();
  await hears(ann, "Bob left");
  await sees(ann, "Ann");
});

test("the people of a node that is killed disappear", limit, async () => {
  const one = await startNode("-redis", redis.address);
  const two = await startNode("-redis", redis.address);
  const [ann, bob] = [await enter(one, "Ann", "storm"), await enter(two, "Bob", "storm")];
  await Promise.all([sees(ann, "Ann", "Bob"), sees(bob, "Ann", "Bob")]);
  two.kill();
  await hears(ann, "Bob left");
  await sees(ann, "Ann");
});

test("a Redis that starts again empty gets everybody back", limit, async () => {
  const one = await startNode("-redis", redis.address);
  const two = await startNode("-redis", redis.address);
  const [ann, bob] = [await enter(one, "Ann", "flood"), await enter(two, "Bob", "flood")];
  await Promise.all([sees(ann, "Ann", "Bob"), sees(bob, "Ann", "Bob")]);
  await redis.kill();
  await redis.restart({ empty: true });
  await Promise.all([
    ann.locator(".notice", { hasText: "You joined" }).nth(1).waitFor(),
    bob.locator(".notice", { hasText: "You joined" }).nth(1).waitFor(),
  ]);
  await Promise.all([sees(ann, "Ann", "Bob"), sees(bob, "Ann", "Bob")]);
  await say(ann, "after the flood");
  await hears(bob, "after the flood");
});

test("without Redis two processes do not hear each other", limit, async () => {
  const [one, two] = [await startNode(), await startNode()];
  const [ann, bob] = [await enter(one, "Ann", "alone"), await enter(two, "Bob", "alone")];
  await say(ann, "is anybody there?");
  await hears(ann, "is anybody there?");
  await say(bob, "nobody here");
  await hears(bob, "nobody here");
  for (const [page, name, other] of [[ann, "Ann", "nobody here"], [bob, "Bob", "is anybody there?"]]) {
    await sees(page, name);
    assert.equal(await page.locator(".log li", { hasText: other }).count(), 0);
    assert.equal(await page.locator("#node").textContent(), "");
  }
});

test("farm.sh starts a Redis and both nodes, says where to click, and stops them all", { timeout: limit.timeout + buildTimeout }, async () => {
  const [redisPort, ...ports] = await Promise.all([freePort(), freePort(), freePort()]);
  const script = spawn("bash", [join(interop, "..", "web", "farm.sh")], {
    env: { ...process.env, REDIS_PORT: String(redisPort), PORTS: ports.join(" ") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.once("exit", () => script.kill("SIGTERM"));
  const ended = once(script, "close");
  const urls = ports.map((port) => `http://localhost:${port}`);
  let output = "";
  const ready = new Promise((resolve) => {
    script.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
      if (output.includes("Ctrl-C")) {
        resolve();
      }
    }).on("end", resolve);
  });
  await within(ready, "farm.sh to be ready", { seen: () => output, timeout: buildTimeout });
  assert.match(output, new RegExp(`started redis-server on localhost:${redisPort}`));
  assert.ok(urls.every((url) => output.includes(url)), output);

  const [ann, bob] = await Promise.all(urls.map((url, i) => enter({ url }, ["Ann", "Bob"][i], "click")));
  await Promise.all([shows(ann, "#node", `node ${ports[0]}`), shows(bob, "#node", `node ${ports[1]}`)]);
  await say(ann, "from the first to the second");
  await hears(bob, "from the first to the second");

  script.kill("SIGINT");
  assert.deepEqual(await within(ended, "farm.sh to end", { seen: () => output }), [130, null]);
  for (const port of [redisPort, ...ports]) {
    await assert.rejects(once(connect(port, "localhost"), "connect"), `port ${port} is still in use`);
  }
});
