// The cases of classic/ with the official client of ASP.NET SignalR 2.x, jQuery and headless Chromium. Each page has a
// network of its own, which the cases break.

import { after } from "node:test";
import { expand } from "./classic/index.mjs";
import { launch } from "./support/chromium.mjs";
import { startNetwork } from "./support/network.mjs";
import { report } from "./support/report.mjs";
import { interop, startServer } from "./support/server.mjs";

const pages = { with: 8, without: 3 }; // EventSource

const { httpUrl, stop } = await startServer("-static", interop, "-classic");
const browser = await launch();
const networks = [];
after(async () => {
  await browser.close();
  await Promise.all(networks.map((network) => network.stop()));
  await stop();
});

/** Opens pages, each in a browser context of its own. */
function open(count, query) {
  return Promise.all(Array.from({ length: count }, async () => {
    const network = await startNetwork(httpUrl);
    networks.push(network);
    const page = await (await browser.newContext()).newPage();
    const faults = []; // errors that nobody caught
    page.on("pageerror", ({ message }) => {
      if (message !== "Failed to fetch") { // an abort over a broken network, which the client sends and forgets
        faults.push(message);
      }
    });
    await page.exposeFunction("network", (name, args) => {
      const member = network[name];
      return typeof member === "function" ? void member(...args) : member;
    });
    await page.goto(`${network.url}/test/classic/page.html${query}`);
    await page.waitForFunction("window.runCase");
    return { page, network, faults };
  }));
}

const free = new Map([[false, await open(pages.with, "")], [true, await open(pages.without, "?frames")]]);
const waiting = [];

async function take(frames) {
  while (free.get(frames).length === 0) {
    await new Promise((resolve) => waiting.push(resolve));
  }
  return free.get(frames).pop();
}

report("official classic client in Chromium", expand(), {
  concurrency: pages.with + pages.without,
  async run({ title, frames }) {
    const taken = await take(frames);
    const { page, network, faults } = taken;
    try {
      const failure = await page.evaluate((args) => window.runCase(...args), [title, httpUrl]);
      if (failure || faults.length > 0) {
        const requests = network.requests.slice(-20).map(({ method, url, status }) => `${method} ${url.split("?")[0]} ${status}`);
        throw new Error([failure, ...faults.splice(0), "The last requests:", ...requests].filter(Boolean).join("\n"));
      }
    } finally {
      network.mend();
      free.get(frames).push(taken);
      waiting.splice(0).forEach((wake) => wake());
    }
  },
});
