// Runs the cases of classic/ in pages that each have a network of their own.

import { startNetwork } from "./network.mjs";
import { openPage } from "./pages.mjs";
import { caseLimit, poll } from "./wait.mjs";

const margin = 10_000; // ms for the page to report that a case has reached its limit

/**
 * Opens a page with a network to a server. Its run(title) runs a case, and resolves when all that the case has
 * begun has ended. through(url) may put something else between the page and the network.
 */
export async function openClassic(browser, server, { frames = false, through = (url) => url } = {}) {
  const network = await startNetwork(server);
  const prepare = (page) => page.exposeFunction("network", (name, args) => {
    const member = network[name];
    return typeof member === "function" ? void member(...args) : member;
  });
  const url = `${await through(network.url)}/test/classic/page.html${frames ? "?frames" : ""}`;
  const { faults, call, close } = await openPage(browser, url, "runCase", { prepare });

  function check(failure) {
    // An abort over a broken network, which the client sends and forgets, fails to be fetched.
    const errors = [failure, ...faults.splice(0).filter((message) => message !== "Failed to fetch")].filter(Boolean);
    if (errors.length > 0) {
      const requests = network.requests.slice(-20).map(({ method, url, status }) => `${method} ${url.split("?")[0]} ${status}`);
      throw new Error([...errors, "The last requests:", ...requests].join("\n"));
    }
  }

  return {
    async run(title) {
      check(await call("runCase", [title, server], { timeout: caseLimit + margin }));
      network.up();
      network.found();
      await poll(() => network.underWay().length === 0, "the end of the case's requests", { seen: network.underWay })
        .catch(({ message }) => check(message));
      check();
      network.mend();
    },
    async close() {
      await close();
      await network.stop();
    },
  };
}
