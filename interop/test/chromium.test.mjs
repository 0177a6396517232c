// The shared cases with the official client in headless Chromium. The test server serves the page and its modules.

import { after } from "node:test";
import { expand } from "./cases/index.mjs";
import { launch } from "./support/chromium.mjs";
import { report } from "./support/report.mjs";
import { interop, startServer } from "./support/server.mjs";

// Each page has a browser context, and so a connection pool, of its own: six connections to a host are soon used up by
// polls and event streams.
const pages = 4;

const { httpUrl, httpsUrl, stop } = await startServer("-static", interop);
const browser = await launch();
after(async () => {
  await browser.close();
  await stop();
});

const free = await Promise.all(
  Array.from({ length: pages }, async () => {
    const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
    await page.goto(`${httpUrl}/test/support/page.html`);
    await page.waitForFunction("window.runCase");
    return page;
  }),
);

report("official client in Chromium", expand("chromium"), {
  concurrency: pages,
  async run({ title }) {
    const page = free.pop();
    try {
      const failure = await page.evaluate((args) => window.runCase(...args), [title, { httpUrl, httpsUrl }]);
      if (failure) {
        throw new Error(failure);
      }
    } finally {
      free.push(page);
    }
  },
});
