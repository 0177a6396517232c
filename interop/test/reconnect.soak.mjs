// Stateful reconnect with the official client, through a proxy that breaks its connections.
//
// Run it by hand, since it takes minutes: node --test test/reconnect.soak.mjs in interop.
// CUTS=1000 sets how often, for each platform and protocol; SEED=number repeats a run, as far as time allows.

import { after, describe, test } from "node:test";
import { launch } from "./support/chromium.mjs";
import { flow } from "./support/flow.mjs";
import { nodeEnvironment } from "./support/node.mjs";
import { startProxy } from "./support/proxy.mjs";
import { interop, startServer } from "./support/server.mjs";

const cuts = Number(process.env.CUTS ?? 50);
const limit = { timeout: 20_000 + cuts * 2_000 };
// What some seconds carry.
const bytes = { json: 60_000, messagepack: 25_000 };

const server = await startServer("-static", interop);
after(() => server.stop());

/** Runs numbers through a proxy; run gets the proxy. */
async function throughProxy(t, protocol, run) {
  const proxy = await startProxy(server.httpUrl, { cuts, bytes: bytes[protocol] });
  try {
    const began = performance.now();
    const counts = await run(proxy);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    t.diagnostic(`${cuts} cuts in ${seconds} s: ${JSON.stringify({ ...counts, ...proxy.counts })}`);
  } catch (error) {
    const done = Object.values(proxy.counts).reduce((sum, count) => sum + count);
    throw new Error(`after ${done} cuts with SEED=${proxy.seed}: ${error.message}`, { cause: error });
  } finally {
    await proxy.stop();
  }
}

describe("stateful reconnect in Node", { concurrency: true }, () => {
  for (const protocol in bytes) {
    test(`${protocol}: every number arrives once and in order`, limit, (t) =>
      throughProxy(t, protocol, ({ url, finished }) => flow(nodeEnvironment(server), { url: `${url}/flowhub`, protocol, finished })));
  }
});

describe("stateful reconnect in Chromium", { concurrency: true }, async () => {
  const browser = await launch();
  after(() => browser.close());
  for (const protocol in bytes) {
    test(`${protocol}: every number arrives once and in order`, limit, (t) =>
      throughProxy(t, protocol, async ({ url, finished }) => {
        const page = await (await browser.newContext()).newPage();
        await page.goto(`${server.httpUrl}/test/support/page.html`);
        await page.waitForFunction("window.runFlow");
        const counts = page.evaluate((args) => window.runFlow(...args), [{ url: `${url}/flowhub`, protocol }]);
        counts.catch(() => {}); // it is looked at below
        await Promise.race([finished, counts]);
        await page.evaluate(() => window.finishFlow());
        return counts;
      }));
  }
});
