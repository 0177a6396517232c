// The client's own fallback: negotiate offers every transport, but something on the way refuses some of them.

import { loseAndReconnect } from "../support/context.mjs";
import { equal } from "../support/expect.mjs";
import { recording } from "../support/recording.mjs";
import { once } from "./combinations.mjs";

// What is left, and how many transports the client tries to find that out: each gets a negotiate of its own. Those that
// cannot carry the protocol are not tried.
const ways = [
  { path: "/fallback-sse", protocol: "json", transport: "ServerSentEvents", tried: 2 },
  { path: "/fallback-sse", protocol: "messagepack", transport: "LongPolling", tried: 2 },
  { path: "/fallback-longpolling", protocol: "json", transport: "LongPolling", tried: 3 },
  { path: "/fallback-longpolling", protocol: "messagepack", transport: "LongPolling", tried: 2 },
  { path: "/fallback-unfit", protocol: "json", transport: "LongPolling", tried: 3 },
  { path: "/fallback-unfit", protocol: "messagepack", transport: "LongPolling", tried: 2 },
];

export const fallback = {
  group: "X",
  over: once,
  cases: ways.flatMap(({ path, protocol, transport, tried }) => [
    {
      title: `at ${path} the client falls back to ${transport} with ${protocol}, with a negotiate for each attempt`,
      schemes: ["http", "https"],
      async run(t) {
        const { client, requests } = recording(t.signalR);
        const connection = await t.connect(path, { protocol, httpClient: client });
        equal(await connection.invoke("GetActiveTransportName"), transport);
        equal(await connection.invoke("GetCallerConnectionId"), connection.connectionId);
        equal(negotiates(requests), tried, "the number of negotiates");
        equal(await connection.invoke("Echo", "fallen back"), "fallen back");
        await t.stop(connection);
      },
    },
    {
      title: `at ${path} the client falls back to ${transport} with ${protocol} anew when it reconnects`,
      async run(t) {
        const { client, requests } = recording(t.signalR);
        const connection = await t.connect(path, { protocol, httpClient: client, reconnect: true });
        await loseAndReconnect(connection);
        equal(await connection.invoke("GetActiveTransportName"), transport);
        equal(await connection.invoke("GetCallerConnectionId"), connection.connectionId);
        equal(negotiates(requests), 2 * tried, "the number of negotiates");
      },
    },
  ]),
};

function negotiates(requests) {
  return requests.filter(({ method, url }) => method === "POST" && new URL(url).pathname.endsWith("/negotiate")).length;
}
