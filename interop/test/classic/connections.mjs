// The life of a connection: Transports/All/ConnectionFacts, Common/KeepAliveFacts and Common/PingServerFacts of classic
// contract 6.

import { equal, ok } from "../support/expect.mjs";
import { failure, fetch, poll } from "../support/wait.mjs";
import { events, listen, roundTrip } from "./context.mjs";
import { listening } from "./hubs.mjs";
import { ajax, all, once, streams } from "./transports.mjs";

const { signalR } = globalThis.jQuery ?? {};

/** A started connection without proxies to a hub whose requests the query may spoil. */
async function spoilt(t, qs) {
  const connection = t.hubs("/statusCodeConnection", qs);
  await t.start(connection);
  return connection;
}

const life = {
  group: "connection",
  over: all,
  cases: [
    {
      title: "starts and stops as often as one likes",
      async run(t) {
        const connection = t.hubs();
        for (let i = 0; i < 5; i++) {
          await t.start(connection);
          equal(await connection.hubs.echoHub.server.echoReturn(`round ${i}`), `round ${i}`);
          connection.stop();
          equal(connection.state, signalR.connectionState.disconnected);
        }
        equal(connection.failures, []);
      },
    },
    {
      title: "a stop right after the start does no harm",
      async run(t) {
        for (const wait of [undefined, "negotiate", "connect", "start"]) {
          const connection = t.hubs();
          if (wait) {
            await t.network("treat", `/${wait}?`, "swallow");
          }
          let started = false;
          t.start(connection).then(() => (started = true), () => {});
          if (wait) {
            await t.responses(wait);
          }
          connection.stop();
          equal([started, connection.state], [false, signalR.connectionState.disconnected], wait);
          await t.network("mend");
        }
        await roundTrip(await t.connect());
      },
    },
    {
      title: "who starts twice is connected once",
      async run(t) {
        const [log, , connection] = await listening(t, "StatusHub", "joined");
        await t.start(connection);
        await Promise.all([t.start(connection), t.start(connection)]);
        const other = await t.connect(({ StatusHub }) => listen(StatusHub, "foo"));
        await log.until((items) => items.some(([, who]) => who === other.id));
        equal(log.items.filter(([, who]) => who === connection.id).length, 1);
      },
    },
    {
      title: "behind a proxy that changes the path",
      async run(t) {
        const connection = t.hubs("/prefixed/signalr");
        await t.start(connection);
        equal(connection.appRelativeUrl, "/prefixed/signalr");
        await roundTrip(connection);
        const script = await (await fetch("/prefixed/signalr/hubs")).text();
        ok(script.includes('$.hubConnection("/prefixed/signalr",'), "the script has another path");
      },
    },
    {
      title: "an abort for a connection that nobody knows is answered",
      over: once,
      async run() {
        const { ConnectionToken } = await (await fetch("/signalr/negotiate?clientProtocol=2.1")).json();
        const query = new URLSearchParams({ transport: "serverSentEvents", connectionToken: ConnectionToken });
        equal((await fetch(`/signalr/abort?${query}`, { method: "POST" })).status, 200);
      },
    },
    {
      title: "ping is answered, with the user's query",
      async run(t) {
        const connection = await t.connect(undefined, undefined, { text: "a b", case: t.mark });
        await signalR.transports._logic.pingServer(connection);
        const [ping] = await t.requests("ping");
        equal([ping.url.searchParams.get("text"), ping.status], ["a b", 200]);
      },
    },
    {
      title: "the keep-alive is watched over",
      over: streams,
      async run(t) {
        const connection = await t.connect();
        equal(connection._.keepAliveData.monitoring, true);
        equal([connection._.keepAliveData.timeout, connection.disconnectTimeout], [20_000, 30_000]);
      },
    },
    {
      title: "the keep-alive is not watched over, and a poll lasts longer than the server lets it",
      over: ["longPolling"],
      async run(t) {
        const connection = await t.connect();
        equal(connection._.keepAliveData.monitoring ?? false, false);
        equal(connection._.pollTimeout, 120_000);
      },
    },
    {
      title: "the server's keep-alive keeps an idle connection",
      async run(t) {
        const connection = await t.connect();
        const happened = events(connection, "connectionSlow", "reconnecting", "disconnected");
        const before = connection._.lastMessageAt;
        await poll(() => connection._.lastMessageAt !== before, "a keep-alive");
        // This needs real time: after 20 s the client would take the connection for lost.
        ok(connection._.lastMessageAt - before < 20_000, "the first keep-alive came late");
        equal(happened.items, []);
      },
    },
  ],
};

const statuses = {
  group: "status",
  over: all,
  cases: [
    ...[401, 403].map((status) => ({
      title: `${status} for a ping ends the connection`,
      async run(t) {
        const connection = await spoilt(t, { alterWhen: "ping", statusCode: status });
        const gone = events(connection, "disconnected");
        const { message, source } = await failure(signalR.transports._logic.pingServer(connection));
        equal(message, `Failed to ping server.  Server responded with status code ${status}, stopping the connection.`);
        ok(source, "there is no source");
        await gone.count(1);
      },
    })),
    {
      title: "another status for a ping does not",
      async run(t) {
        const connection = await spoilt(t, { alterWhen: "ping", statusCode: 500 });
        const { message } = await failure(signalR.transports._logic.pingServer(connection));
        equal(message, "Failed to ping server.");
        equal(connection.state, signalR.connectionState.connected);
      },
    },
    {
      title: "a failed start request ends the start, without another transport",
      async run(t) {
        const { message } = await failure(spoilt(t, { alterWhen: "start", statusCode: 500 }));
        ok(message.startsWith("Error during start request."), message);
        equal((await t.requests("connect")).length, 1);
      },
    },
    {
      title: "a start request that is answered with something else ends the start",
      async run(t) {
        const { message } = await failure(spoilt(t, { alterWhen: "start", statusCode: 200 }));
        ok(message.startsWith("Error parsing start response:"), message);
      },
    },
    {
      title: "a failed send is the page's to know, and the connection goes on",
      over: ajax,
      async run(t) {
        const connection = await spoilt(t, { alterWhen: "send", statusCode: 500 });
        const hub = connection.createHubProxy("demo");
        await failure(hub.invoke("Overload"));
        equal(connection.failures.map(({ message }) => message), ["Send failed."]);
        equal(connection.state, signalR.connectionState.connected);
      },
    },
    {
      title: "a failed connect leads to the next transport",
      async run(t) {
        const { message } = await failure(spoilt(t, { alterWhen: "connect", statusCode: 500 }));
        ok(message.startsWith("No transport could be initialized successfully."), message);
      },
    },
    {
      title: "a failed negotiate fails the start",
      async run(t) {
        const { message } = await failure(spoilt(t, { alterWhen: "negotiate", statusCode: 500 }));
        ok(message.startsWith("Error during negotiation request."), message);
      },
    },
  ],
};

export const connections = [life, statuses];
