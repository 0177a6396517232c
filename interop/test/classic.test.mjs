// The cases of classic/ with the official client of ASP.NET SignalR 2.x, jQuery and headless Chromium.

import { after } from "node:test";
import { expand } from "./classic/index.mjs";
import { launch } from "./support/chromium.mjs";
import { openClassic } from "./support/classic.mjs";
import { pool } from "./support/pages.mjs";
import { report } from "./support/report.mjs";
import { interop, startServer } from "./support/server.mjs";

const { httpUrl, stop } = await startServer("-static", interop, "-classic");
const browser = await launch();

// Pages with and without EventSource.
const sizes = { with: 8, without: 3 };
const pages = {
  with: await pool(sizes.with, () => openClassic(browser, httpUrl)),
  without: await pool(sizes.without, () => openClassic(browser, httpUrl, { frames: true })),
};

after(async () => {
  await Promise.all(Object.values(pages).map((each) => each.close()));
  await browser.close();
  await stop();
});

report("official classic client in Chromium", expand(), {
  concurrency: sizes.with + sizes.without,
  run: ({ title, frames }) => pages[frames ? "without" : "with"].use((page) => page.run(title)),
});
