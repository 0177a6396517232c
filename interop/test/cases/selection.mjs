// Group C of contract 8: negotiation, connection ids, choice of a transport, and the end of long polling.

import { loseAndReconnect } from "../support/context.mjs";
import { equal, ok } from "../support/expect.mjs";
import { recording } from "../support/recording.mjs";
import { once } from "./combinations.mjs";

export const selection = {
  group: "C",
  over: once,
  cases: [
    {
      title: "a negotiate redirect is followed, and followed anew on reconnect",
      async run(t) {
        const connection = await t.connect(`/redirect?numRedirects=0&baseUrl=${t.baseUrl}`, { reconnect: true });
        const before = await connection.invoke("GetNumRedirects");
        equal(await connection.invoke("GetCallerConnectionId"), connection.connectionId);
        await loseAndReconnect(connection);
        const after = await connection.invoke("GetNumRedirects");
        ok(after > before, `redirects went from ${before} to ${after}`);
        equal(await connection.invoke("GetCallerConnectionId"), connection.connectionId);
        await t.stop(connection);
      },
    },
    {
      title: "a connection without negotiation works, also after a reconnect, and has no id",
      async run(t) {
        const connection = await t.connect("/testhub", {
          skipNegotiation: true,
          transport: t.signalR.HttpTransportType.WebSockets,
          reconnect: true,
        });
        equal(connection.connectionId, null);
        equal(await connection.invoke("Echo", "one"), "one");
        await loseAndReconnect(connection);
        equal(connection.connectionId, null);
        equal(await connection.invoke("Echo", "two"), "two");
        await t.stop(connection);
      },
    },
    {
      title: "client and server agree on the connection id, before and after a reconnect",
      async run(t) {
        const connection = t.build("/testhub", { reconnect: true });
        equal(connection.connectionId, null);
        await connection.start();
        equal(await connection.invoke("GetCallerConnectionId"), connection.connectionId);
        await loseAndReconnect(connection);
        equal(await connection.invoke("GetCallerConnectionId"), connection.connectionId);
        await t.stop(connection);
        equal(connection.connectionId, null);
      },
    },
    {
      title: "the path's case does not matter",
      async run(t) {
        const connection = await t.connect("/TestHub");
        equal(await connection.invoke("Echo", "here"), "here");
      },
    },
    {
      title: "without WebSockets and with the text protocol the client chooses Server-Sent Events",
      needs: ["ServerSentEvents"],
      async run(t) {
        const connection = await t.connect("/testhub-nowebsockets");
        equal(await connection.invoke("GetActiveTransportName"), "ServerSentEvents");
        await t.stop(connection);
      },
    },
    {
      title: "without WebSockets and with the binary protocol the client chooses long polling",
      needs: ["LongPolling", "messagepack"],
      async run(t) {
        const connection = await t.connect("/testhub-nowebsockets", { protocol: "messagepack" });
        equal(await connection.invoke("GetActiveTransportName"), "LongPolling");
        await t.stop(connection);
      },
    },
    {
      title: "stop over long polling sends DELETE, ends the open poll, and resolves",
      needs: ["LongPolling"],
      async run(t) {
        const { client, requests } = recording(t.signalR);
        const connection = await t.connect("/testhub", {
          transport: t.signalR.HttpTransportType.LongPolling,
          httpClient: client,
        });
        equal(await connection.invoke("Echo", "polled"), "polled");
        await t.stop(connection);
        equal(requests.filter(({ method }) => method === "DELETE").map(({ status }) => status), [202]);
        // The answer to a POST may still be under way: the call's result, in a poll, can overtake it.
        equal(requests.filter(({ method, status }) => method === "GET" && status === "open"), []);
      },
    },
  ],
};
