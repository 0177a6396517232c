// The cases as a page runs them.

import { expand } from "./index.mjs";

const cases = new Map(expand().map((one) => [one.title, one]));

// How a connection reconnects, without the pauses that users are not to notice either.
window.jQuery.connection.fn.reconnectDelay = 20;
window.jQuery.connection.transports.longPolling.reconnectDelay = 20;

// Requests carry the mark of the case that their connection belongs to: those that an earlier case has left on their way
// to the network arrive when that case is over, and are not to be counted.
const logic = window.jQuery.signalR.transports._logic;
const { prepareQueryString } = logic;
logic.prepareQueryString = (connection, url) =>
  logic.addQs(prepareQueryString(connection, url), connection.mark && { case: connection.mark });

/** Runs a case. Resolves with the failure's text, or nothing. */
window.runCase = async (title, directUrl) => {
  try {
    await cases.get(title).run(directUrl);
  } catch (error) {
    return String(error?.stack ?? error);
  }
};
