// Stateful reconnect with the official client, through a proxy that breaks its connections: to a server that is alone, and
// to one of two on a Redis, with messages that come by the other.
//
// CUTS=1000 sets how often, in each of the cases, and SEED=number repeats a run, as far as time allows.

import { after, before, describe, test } from "node:test";
import { launch } from "./support/chromium.mjs";
import { flow } from "./support/flow.mjs";
import { nodeEnvironment } from "./support/node.mjs";
import { startProxy } from "./support/proxy.mjs";
import { startRedis } from "./support/redis.mjs";
import { interop, startServer } from "./support/server.mjs";

const cuts = Number(process.env.CUTS ?? 25);
const limit = { timeout: 40_000 + cuts * 4_000 };
// What half a second carries.
const bytes = { json: 6000, messagepack: 2500 };

let redis;
let servers; // the first one is alone
let browser;

before(async () => {
  [redis, browser] = await Promise.all([startRedis(), launch()]);
  servers = await Promise.all([
    startServer("-static", interop),
    startServer("-redis", redis.address),
    startServer("-redis", redis.address),
  ]);
});

after(async () => {
  await browser?.close();
  await Promise.all((servers ?? []).map((server) => server.stop()));
  await redis?.stop();
});

/** Each runs a flow with a client of its own, until `finished` resolves. */
const platforms = {
  Node: (options) => flow(nodeEnvironment({}), options),
  async Chromium({ finished, ...options }) {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${servers[0].httpUrl}/test/support/page.html`);
    await page.waitForFunction("window.runFlow");
    const counts = page.evaluate((options) => window.runFlow(options), options);
    counts.catch(() => {}); // it is looked at below
    await Promise.race([finished, counts]);
    await page.evaluate(() => window.finishFlow());
    return counts;
  },
};

/** Runs numbers through a proxy in front of one server. */
async function throughProxy(t, server, { run, protocol, far }) {
  const proxy = await startProxy(server.httpUrl, { cuts, bytes: bytes[protocol] });
  try {
    const counts = await run({ url: `${proxy.url}/flowhub`, far: far && `${far.httpUrl}/flowhub`, protocol, finished: proxy.finished });
    t.diagnostic(`${t.name}: ${cuts} cuts with ${JSON.stringify({ ...counts, ...proxy.counts })}`);
  } catch (error) {
    const done = Object.values(proxy.counts).reduce((sum, count) => sum + count);
    throw new Error(`after ${done} cuts with SEED=${proxy.seed}: ${error.message}`, { cause: error });
  } finally {
    await proxy.stop();
  }
}

describe("every number arrives once and in order", { concurrency: true }, () => {
  for (const [platform, run] of Object.entries(platforms)) {
    for (const protocol in bytes) {
      test(`${platform}, ${protocol}`, limit, (t) => throughProxy(t, servers[0], { run, protocol }));
      test(`${platform}, ${protocol}, two nodes`, limit, (t) => throughProxy(t, servers[1], { run, protocol, far: servers[2] }));
    }
  }
});
