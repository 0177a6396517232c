// The shared cases with the official client in headless Chromium. The test server serves the page and its modules.

import { after } from "node:test";
import { expand } from "./cases/index.mjs";
import { launch } from "./support/chromium.mjs";
import { openPage, pool } from "./support/pages.mjs";
import { report } from "./support/report.mjs";
import { interop, startServer } from "./support/server.mjs";
import { caseLimit } from "./support/wait.mjs";

// Six connections to a host are soon used up by polls and event streams: each page has a connection pool of its own.
const size = 4;
const margin = 10_000; // ms for the page to report that a case has reached its limit

const { httpUrl, httpsUrl, stop } = await startServer("-static", interop);
const browser = await launch();
const pages = await pool(size, () =>
  openPage(browser, `${httpUrl}/test/support/page.html`, "runCase", { ignoreHTTPSErrors: true }));
after(async () => {
  await pages.close();
  await browser.close();
  await stop();
});

report("official client in Chromium", expand("chromium"), {
  concurrency: size,
  run: ({ title }) => pages.use(async ({ call, faults }) => {
    const failure = await call("runCase", [title, { httpUrl, httpsUrl }], { timeout: caseLimit + margin });
    const errors = [failure, ...faults.splice(0)].filter(Boolean);
    if (errors.length > 0) {
      throw new Error(errors.join("\n"));
    }
  }),
});
