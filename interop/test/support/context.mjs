import { equal } from "./expect.mjs";

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
    this.#opened.push(raw);
    return raw;
  }

  /** Stops what the case left open, also when it failed half way. */
  async close() {
    await Promise.all(this.#opened.map((connection) => connection.stop().catch(() => {})));
  }
}

/** Resolves with the error, or undefined, of the connection's end. */
export function closing(connection) {
  return new Promise((resolve) => connection.onclose(resolve));
}

/** Resolves with the error, or undefined, that made a connection reconnect. */
export function reconnecting(connection) {
  return new Promise((resolve) => connection.onreconnecting(resolve));
}

/** Resolves with the new connection id. */
export function reconnected(connection) {
  return new Promise((resolve) => connection.onreconnected(resolve));
}

/** Resolves with the arguments of the first call of a client method. */
export function called(connection, method) {
  return new Promise((resolve) => connection.on(method, (...args) => resolve(args)));
}

/** Resolves with all items of a stream once it is complete, rejects with its error. */
export function collect(stream) {
  return new Promise((resolve, reject) => {
    const items = [];
    stream.subscribe({ next: (item) => items.push(item), error: reject, complete: () => resolve(items) });
  });
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
