import { equal } from "./expect.mjs";
import { boundMethods, fetch, within } from "./wait.mjs";

/**
 * What a case gets: its combination, the addresses of the server, and connections that are stopped after it.
 *
 * The environment is what differs between Node and a browser:
 * { platform: "node" | "chromium", signalR, MessagePackHubProtocol, WebSocket, httpUrl, httpsUrl }.
 */
export class Context {
  #environment;
  #opened = [];

  constructor(environment, { transport, protocol, scheme }) {
    this.#environment = environment;
    this.transport = transport;
    this.protocol = protocol;
    this.scheme = scheme;
    this.platform = environment.platform;
    this.signalR = environment.signalR;
    this.WebSocket = environment.WebSocket;
    this.baseUrl = scheme === "https" ? environment.httpsUrl : environment.httpUrl;
  }

  url(path) {
    return this.baseUrl + path;
  }

  /** The body of a GET, whatever its status. */
  async get(path) {
    const answer = await fetch(this.url(path));
    return answer.text();
  }

  /**
   * A connection that is not started yet. Transport and protocol are the combination's unless the options of HttpConnection
   * or `protocol` say otherwise; `reconnect` switches automatic reconnect on, without a delay for the first attempts.
   */
  build(path, { protocol = this.protocol, reconnect = false, ...options } = {}) {
    const { HubConnectionBuilder, HttpTransportType, LogLevel } = this.signalR;
    if (this.transport && options.transport === undefined) {
      options.transport = HttpTransportType[this.transport];
    }
    const builder = new HubConnectionBuilder()
      .configureLogging(LogLevel.None)
      .withUrl(this.url(path), options);
    if (protocol === "messagepack") {
      builder.withHubProtocol(new this.#environment.MessagePackHubProtocol());
    }
    if (reconnect) {
      builder.withAutomaticReconnect([0, 50, 100, 500, 1000]);
    }
    const connection = builder.build();
    boundMethods(connection, path, "start", "invoke", "send", "stop");
    this.#opened.push(connection);
    return connection;
  }

  /** A started connection. */
  async connect(path = "/testhub", options = {}) {
    const connection = this.build(path, options);
    await connection.start();
    return connection;
  }

  /** Stops a connection, which must end without an error. */
  async stop(connection) {
    const closed = closing(connection);
    await connection.stop();
    equal(await closed, undefined, "the error of the close event");
  }

  /**
   * A raw connection that is not started yet. The class is internal to the client library; a hub connection that was
   * built and not started has one to take.
   */
  buildRaw(path, { logger = this.signalR.LogLevel.None, ...options } = {}) {
    options.transport ??= this.signalR.HttpTransportType[this.transport];
    const raw = new this.signalR.HubConnectionBuilder()
      .configureLogging(logger)
      .withUrl(this.url(path), options)
      .build().connection;
    boundMethods(raw, path, "start", "send", "stop");
    this.#opened.push(raw);
    return raw;
  }

  /** Stops what the case left open, also when it failed half way. */
  async close() {
    await Promise.all(this.#opened.map((connection) => connection.stop().catch(() => {})));
  }
}

const stateOf = (connection) => () => connection.state;

/** Resolves with the error, or undefined, of the connection's end. */
export function closing(connection) {
  return within(new Promise((resolve) => connection.onclose(resolve)), "the close event", { seen: stateOf(connection) });
}

/** Resolves with the error, or undefined, that made a connection reconnect. */
export function reconnecting(connection) {
  const lost = new Promise((resolve) => connection.onreconnecting(resolve));
  return within(lost, "the reconnecting event", { seen: stateOf(connection) });
}

/** Resolves with the new connection id. */
export function reconnected(connection) {
  const back = new Promise((resolve) => connection.onreconnected(resolve));
  return within(back, "the reconnected event", { seen: stateOf(connection) });
}

/** Resolves with the arguments of the first call of a client method. */
export function called(connection, method) {
  const call = new Promise((resolve) => connection.on(method, (...args) => resolve(args)));
  return within(call, `the call of ${method}`, { seen: stateOf(connection) });
}

/** Resolves with all items of a stream once it is complete, rejects with its error. */
export function collect(stream) {
  const items = [];
  const all = new Promise((resolve, reject) => {
    stream.subscribe({ next: (item) => items.push(item), error: reject, complete: () => resolve(items) });
  });
  return within(all, "the end of the stream", { seen: () => `${items.length} items` });
}

/**
 * Ends the transport as the client's own server timeout does, on every transport: long polling has no such timer to
 * shorten. Resolves with the new connection id.
 */
export async function loseAndReconnect(connection) {
  const [lost, back] = [reconnecting(connection), reconnected(connection)];
  connection.serverTimeout();
  equal((await lost)?.message, "Server timeout elapsed without receiving a message from the server.");
  return back;
}
