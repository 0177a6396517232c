// The cases as a page runs them.

import { expand } from "./index.mjs";

const cases = new Map(expand().map((one) => [one.title, one]));

// How a connection reconnects, without the pauses that users are not to notice either.
window.jQuery.connection.fn.reconnectDelay = 20;
window.jQuery.connection.transports.longPolling.reconnectDelay = 20;

/** Runs a case. Resolves with the failure's text, or nothing. */
window.runCase = async (title, directUrl) => {
  try {
    await cases.get(title).run(directUrl);
  } catch (error) {
    return String(error?.stack ?? error);
  }
};
