// How the client chooses its transport, and what becomes of those that it gave up: Transports/Fallback of classic
// contract 6.

import { equal, ok } from "../support/expect.mjs";
import { failure } from "../support/wait.mjs";
import { events, listen, roundTrip } from "./context.mjs";
import { once } from "./transports.mjs";

const query = (transport) => `transport=${transport}`;

/** Starts a connection to StatusHub that may take any transport. Resolves with [log, connection]. */
async function automatic(t, options = {}) {
  const connection = t.hubs();
  const log = listen(connection.hubs.StatusHub, "joined", "pong", "leave");
  await t.start(connection, { transport: "auto", ...options });
  return [log, connection];
}

/** Resolves with what the log says of a connection once all that it was sent so far is there. */
async function mine(log, connection) {
  const { id } = connection;
  await log.until((items) => items.some(([, who]) => who === id));
  await roundTrip(connection);
  return log.items.filter(([, who]) => who === id).map(([what]) => what);
}

export const fallback = {
  group: "fallback",
  over: once,
  cases: [
    {
      title: "the first choice is a socket",
      async run(t) {
        const [log, connection] = await automatic(t);
        equal(connection.transport.name, "webSockets");
        equal(await mine(log, connection), ["joined"]);
      },
    },
    {
      title: "the second is forever frame where there is no EventSource",
      over: ["foreverFrame"],
      async run(t) {
        await t.network("treat", query("webSockets"), "refuse");
        const [log, connection] = await automatic(t);
        equal(connection.transport.name, "foreverFrame");
        equal(await mine(log, connection), ["joined"]);
      },
    },
    ...[
      { refused: ["webSockets"], left: "serverSentEvents" },
      { refused: ["webSockets", "serverSentEvents"], left: "longPolling" },
    ].flatMap(({ refused, left }) => ["refuse", "break"].map((how) => ({
      title: `${left} is left when others fail (${how})`,
      async run(t) {
        for (const name of refused) {
          await t.network("treat", query(name), how);
        }
        const [log, connection] = await automatic(t);
        equal(connection.transport.name, left);
        equal(await mine(log, connection), ["joined"]);
        await connection.hubs.StatusHub.server.ping();
        await log.has(["pong"]);
      },
    }))),
    {
      title: "transports whose answers are lost on the way are given up, and OnConnected runs once",
      async run(t) {
        // The server takes each of them for connected; the client waits five seconds for each in vain.
        await t.network("treat", query("webSockets"), "swallow");
        await t.network("treat", `/connect?${query("serverSentEvents")}`, "swallow");
        const [log, connection] = await automatic(t);
        equal(connection.transport.name, "longPolling");
        equal(await mine(log, connection), ["joined"]);
        const back = events(connection, "reconnected");
        await t.lose("cut"); // the old transports too, if they are still there
        await back.count(1);
        await connection.hubs.StatusHub.server.ping();
        await log.has(["pong"]);
        equal(await mine(log, connection), ["joined"]);
      },
    },
    ...[["webSockets", "serverSentEvents"], ["webSockets", "foreverFrame"]].map((tried) => ({
      title: `long polling is left behind middleware that can neither flush nor hijack (${tried.join(", ")})`,
      over: tried.includes("foreverFrame") ? ["foreverFrame"] : once,
      async run(t) {
        const connection = t.hubs("/unfit/signalr");
        const log = listen(connection.hubs.StatusHub, "joined", "pong");
        await t.start(connection, { transport: "auto" });
        equal(connection.transport.name, "longPolling");
        const connects = await t.responses("connect", 3);
        equal(connects.map(({ url, status }) => [url.searchParams.get("transport"), status]),
          [...tried.map((transport) => [transport, 501]), ["longPolling", 200]]);
        await log.until((items) => items.some(([, who]) => who === connection.id));
        await connection.hubs.StatusHub.server.ping();
        await log.has(["pong"]);
      },
    })),
    {
      title: "no transport at all fails the start",
      async run(t) {
        await t.network("treat", "/connect?", "refuse");
        const { message } = await failure(t.start(t.hubs(), { transport: "auto" }));
        ok(message.startsWith("No transport could be initialized successfully."), message);
      },
    },
    {
      title: "the choice may be limited, in whatever order",
      async run(t) {
        const [, connection] = await automatic(t, { transport: ["longPolling", "webSockets"] });
        equal(connection.transport.name, "longPolling");
      },
    },
    {
      title: "calls right after an automatic start arrive",
      async run(t) {
        const [, connection] = await automatic(t);
        equal(await connection.hubs.demo.server.overload(6), 6);
      },
    },
  ],
};
