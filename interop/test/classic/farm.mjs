// A page with one client of a farm: what it has heard, what has happened to it, and calls in its name.

import { within } from "../support/wait.mjs";
import { events, listen } from "./context.mjs";

const $ = globalThis.jQuery;
const { hub: connection, farmHub } = $.connection;

$.connection.fn.reconnectDelay = 20;
$.connection.transports.longPolling.reconnectDelay = 20;

const heard = listen(farmHub, "message");
const happened = events(connection, "reconnecting", "reconnected", "disconnected");

const client = {
  /** Connects. Resolves with the connection id. */
  connect(transport, user) {
    connection.qs = { user };
    const started = new Promise((resolve, reject) => {
      connection.start({ transport, waitForPageLoad: false }).done(() => resolve(connection.id)).fail(reject);
    });
    return within(started, `the start over ${transport}`);
  },
  stop: () => void connection.stop(),
  /** Notices a loss that a frame gets no event for, as the client does after twenty seconds without a keep-alive. */
  notice: () => connection.frame && void connection.transport.lostConnection(connection),
  invoke: async (method, ...args) => (await within(farmHub.invoke(method, ...args), `the result of ${method}`)) ?? null,
  /** The texts so far. */
  heard: () => heard.items.map(([, text]) => text),
  /** Resolves when a text has been heard. */
  until: (text) => heard.has(["message", text]).then(() => {}),
  /** Resolves when there were so many texts. */
  count: (number, options) => heard.count(number, options).then(() => {}),
  /** The events so far. */
  happened: () => happened.items,
  /** Resolves when an event has happened. */
  happens: (name) => happened.has(name).then(() => {}),
};

/** Calls a method of the client. */
window.callClient = (name, ...args) => client[name](...args);
