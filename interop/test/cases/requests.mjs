// Group B of contract 8: the connection's request as hub methods see it.

import { equal, ok } from "../support/expect.mjs";
import { transports } from "./combinations.mjs";

export const requests = {
  group: "B",
  over: transports,
  cases: [
    {
      title: "cookies set by negotiate come back with the connection",
      schemes: ["http", "https"],
      async run(t) {
        const connection = await t.connect();
        equal(await connection.invoke("GetCookie", "testCookie"), "testValue");
        equal(await connection.invoke("GetCookie", "testCookie2"), "testValue2");
      },
    },
    {
      title: "a cookie that has expired is null",
      schemes: ["http", "https"],
      async run(t) {
        const connection = await t.connect();
        equal(await connection.invoke("GetCookie", "expiredCookie"), null);
      },
    },
    {
      title: "the client's user agent reaches the server where the platform can send it",
      async run(t) {
        const connection = await t.connect();
        const value = await connection.invoke("GetHeader", userAgent(t));
        if (!sendsHeaders(t)) {
          equal(value, null);
          return;
        }
        const [major, minor] = t.signalR.VERSION.split(".");
        const start = `Microsoft SignalR/${major}.${minor} (${t.signalR.VERSION}; `;
        ok(value?.startsWith(start), `the user agent ${value} does not start with ${start}`);
      },
    },
    {
      title: "the application's headers reach the server where the platform can send them",
      async run(t) {
        const headers = { [userAgent(t)]: "custom", "X-HEADER": "VALUE" };
        const connection = await t.connect("/testhub", { headers });
        for (const [name, value] of Object.entries(headers)) {
          equal(await connection.invoke("GetHeader", name), sendsHeaders(t) ? value : null, name);
        }
        equal(await connection.invoke("GetHeader", "X-None"), null);
      },
    },
    {
      title: "the hub knows the transport",
      async run(t) {
        const connection = await t.connect();
        equal(await connection.invoke("GetActiveTransportName"), t.transport);
      },
    },
  ],
};

const userAgent = (t) => (t.platform === "node" ? "User-Agent" : "X-SignalR-User-Agent");

/** A browser's WebSocket and EventSource take no headers. */
const sendsHeaders = (t) => t.platform === "node" || t.transport === "LongPolling";
