// What a case gets: its transport, connections that are stopped after it, and the network that leads to the server.

import { Log, poll, within } from "../support/wait.mjs";

const $ = globalThis.jQuery;

export class Context {
  #opened = [];

  constructor(transport, directUrl) {
    this.mark = crypto.randomUUID(); // of the requests of its connections
    this.transport = transport;
    this.directUrl = directUrl; // of the server, past the network
    this.ajax = transport !== "webSockets"; // messages go up by HTTP
  }

  /** Calls a function of support/network.mjs. */
  network(name, ...args) {
    return within(globalThis.network(name, args), `${name} of the network`);
  }

  /**
   * Breaks everything that is under way, in a way of support/network.mjs: "cut", "lose" or "down". Between two polls that
   * is nothing: then the next one breaks. A frame gets no event when its document breaks off: what the client does then
   * after twenty seconds without a keep-alive it does at once.
   */
  async lose(way) {
    const { connected } = $.signalR.connectionState;
    const here = this.#opened.filter(({ state, baseUrl }) => state === connected && baseUrl === location.origin);
    await this.network("treat", "/poll?", "break");
    await this.network(way);
    here.filter(({ frame }) => frame).forEach((connection) => connection.transport.lostConnection(connection));
    const polling = here.filter(({ transport }) => transport?.name === "longPolling");
    await poll(() => polling.every(({ state }) => state !== connected), "every long poll to notice the loss");
    await this.network("treat", "/poll?", null);
  }

  /** The requests of the case's connections so far whose path ends with the operation, as URLs with their status. */
  async requests(operation) {
    return (await this.network("requests"))
      .map(({ url, ...rest }) => ({ ...rest, url: new URL(url, location.href) }))
      .filter(({ url }) => url.searchParams.get("case") === this.mark && url.pathname.endsWith(`/${operation}`));
  }

  /** Resolves with the requests for an operation that were answered once there are at least so many. */
  responses(operation, number = 1) {
    const answered = async () => (await this.requests(operation)).filter(({ status }) => status !== 0);
    return poll(answered, `${number} responses to ${operation}`, { accept: ({ length }) => length >= number });
  }

  /** A connection with the generated proxies of all hubs, not started yet. */
  hubs(url = "/signalr", qs = undefined) {
    const connection = $.hubConnection(url, { useDefaultPath: false, qs });
    connection.hubs = connection.createHubProxies();
    for (const [name, proxy] of Object.entries(connection.hubs)) {
      const invoke = proxy.invoke;
      proxy.invoke = function (method, ...args) {
        const call = invoke.call(this, method, ...args);
        const result = within(call, `the result of ${name}.${method}`, { seen: () => stateOf(connection) });
        result.progress = (report) => (call.progress(report), result);
        return result;
      };
    }
    return this.#keep(connection);
  }

  /** A connection without hubs, not started yet. */
  raw(url, qs = undefined) {
    return this.#keep($.connection(url, qs));
  }

  #keep(connection) {
    connection.mark = this.mark;
    connection.failures = [];
    connection.error((error) => connection.failures.push(error));
    this.#opened.push(connection);
    return connection;
  }

  /** Starts a connection over the case's transport, unless the options say otherwise. */
  start(connection, { timeout, ...options } = {}) {
    const started = new Promise((resolve, reject) => {
      connection
        .start({ transport: this.transport, waitForPageLoad: false, ...options })
        .done(() => resolve(connection))
        .fail(reject);
    });
    return within(started, `the start of ${connection.url}`, { timeout, seen: () => stateOf(connection) });
  }

  /** Connects with the generated proxies; subscribe gets them before. Resolves with the connection. */
  connect(subscribe = () => {}, url = undefined, qs = undefined) {
    const connection = this.hubs(url, qs);
    subscribe(connection.hubs);
    return this.start(connection);
  }

  /** Stops what the case left open, also when it failed half way. */
  close() {
    for (const connection of this.#opened) {
      connection.stop();
    }
  }
}

/** What failures show of a connection. */
function stateOf({ state, transport, failures }) {
  const [name] = Object.entries($.signalR.connectionState).find(([, value]) => value === state);
  return { state: name, transport: transport?.name, failures: failures.map(String) };
}

/** Notes the calls of client methods of a hub as [name, ...arguments]. */
export function listen(hub, ...names) {
  const log = new Log(`calls of ${hub.hubName}`);
  for (const name of names) {
    hub.client[name] = (...args) => log.add([name, ...args]);
  }
  return log;
}

/** Notes the events of a connection, such as "reconnecting" and "reconnected". */
export function events(connection, ...names) {
  const log = new Log("events");
  for (const name of names) {
    connection[name](() => log.add(name));
  }
  return log;
}

/** Calls the server and resolves when something has come back behind what the connection was sent before. */
export async function roundTrip(connection) {
  const came = new Promise((resolve) => connection.received(({ P }) => P && resolve()));
  await connection.hubs.progress.server.reportProgressInt();
  await within(came, "the report of progress");
}
