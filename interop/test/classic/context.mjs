// What a case gets: its transport, connections that are stopped after it, and the network that leads to the server.

const $ = globalThis.jQuery;

export class Context {
  #opened = [];

  constructor(transport, directUrl) {
    this.transport = transport;
    this.directUrl = directUrl; // of the server, past the network
    this.ajax = transport !== "webSockets"; // messages go up by HTTP
  }

  /** Calls a function of support/network.mjs. */
  network(name, ...args) {
    return globalThis.network(name, args);
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
    await until(() => here.every(({ state, transport }) => transport?.name !== "longPolling" || state !== connected));
    await this.network("treat", "/poll?", null);
  }

  /** The requests so far whose path ends with the operation, as URLs with their status. */
  async requests(operation) {
    return (await this.network("requests"))
      .map(({ url, ...rest }) => ({ ...rest, url: new URL(url, location.href) }))
      .filter(({ url }) => url.pathname.endsWith(`/${operation}`));
  }

  /** A connection with the generated proxies of all hubs, not started yet. */
  hubs(url = "/signalr", qs = undefined) {
    const connection = $.hubConnection(url, { useDefaultPath: false, qs });
    connection.hubs = connection.createHubProxies();
    return this.#keep(connection);
  }

  /** A connection without hubs, not started yet. */
  raw(url, qs = undefined) {
    return this.#keep($.connection(url, qs));
  }

  #keep(connection) {
    connection.failures = [];
    connection.error((error) => connection.failures.push(error));
    this.#opened.push(connection);
    return connection;
  }

  /** Starts a connection over the case's transport, unless the options say otherwise. */
  start(connection, options = {}) {
    return new Promise((resolve, reject) => {
      connection
        .start({ transport: this.transport, waitForPageLoad: false, ...options })
        .done(() => resolve(connection))
        .fail(reject);
    });
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

/** What comes, in order, to be waited for. */
export class Log {
  items = [];
  #waiting = [];

  add(item) {
    this.items.push(item);
    this.#waiting = this.#waiting.filter((check) => !check());
  }

  /** Resolves with all items once the condition holds of them. */
  until(condition) {
    return new Promise((resolve) => {
      const check = () => {
        const holds = condition(this.items);
        if (holds) {
          resolve(this.items);
        }
        return holds;
      };
      if (!check()) {
        this.#waiting.push(check);
      }
    });
  }

  /** Resolves with all items once there are so many. */
  count(number) {
    return this.until(({ length }) => length >= number);
  }

  /** Resolves with all items once one is the wanted one, as JSON. */
  has(wanted) {
    const text = JSON.stringify(wanted);
    return this.until((items) => items.some((item) => JSON.stringify(item) === text));
  }
}

/** Resolves when the condition holds. Each question is a turn of the event loop. */
export async function until(condition) {
  while (!(await condition())) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Notes the calls of client methods of a hub as [name, ...arguments]. */
export function listen(hub, ...names) {
  const log = new Log();
  for (const name of names) {
    hub.client[name] = (...args) => log.add([name, ...args]);
  }
  return log;
}

/** Notes the events of a connection, such as "reconnecting" and "reconnected". */
export function events(connection, ...names) {
  const log = new Log();
  for (const name of names) {
    connection[name](() => log.add(name));
  }
  return log;
}

/** Resolves with the error that a jQuery promise is rejected with. */
export function failure(promise) {
  return new Promise((resolve, reject) => {
    promise.then((value) => reject(new Error(`resolved with ${JSON.stringify(value)}, not rejected`)), resolve);
  });
}

/** Calls the server and resolves when something has come back behind what the connection was sent before. */
export async function roundTrip(connection) {
  const came = new Promise((resolve) => connection.received(({ P }) => P && resolve()));
  await connection.hubs.progress.server.reportProgressInt();
  await came;
}
