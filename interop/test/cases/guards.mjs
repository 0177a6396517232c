// What clients see of per-method authorisation, filters, tokens that expire, and requests of other users (reference 6.3, 9).

import { closing, collect, reconnected, reconnecting } from "../support/context.mjs";
import { equal, ok, rejects } from "../support/expect.mjs";
import { fetch } from "../support/wait.mjs";
import { transports, transportsAndProtocols } from "./combinations.mjs";

const unauthorized = (method) => `Failed to invoke '${method}' because user is unauthorized`;

const methods = {
  group: "X",
  over: transportsAndProtocols,
  cases: [
    {
      title: "methods the user may not call are refused without a reason, and the connection lives on",
      async run(t) {
        const connection = await connectAs(t, "/guardedhub", "user=somebody&scope=public");
        await rejects(connection.invoke("Secret"), unauthorized("Secret"));
        await rejects(connection.invoke("sEcReT"), unauthorized("Secret"));
        await rejects(collect(connection.stream("SecretStream")), unauthorized("SecretStream"));
        await connection.send("Secret");
        equal(await connection.invoke("Echo", "here"), "HERE");
        await t.stop(connection);
      },
    },
    {
      title: "methods the user may call are called",
      async run(t) {
        const connection = await connectAs(t, "/guardedhub", "user=agent&scope=secret");
        equal(await connection.invoke("Secret"), "THE SECRET");
        equal(await collect(connection.stream("SecretStream")), ["THE SECRET"]);
      },
    },
    {
      title: "a filter changes results and items",
      async run(t) {
        const connection = await connectAs(t, "/guardedhub", "user=somebody");
        equal(await connection.invoke("Echo", "quiet"), "QUIET");
        equal(await collect(connection.stream("Words", "one two three")), ["ONE", "TWO", "THREE"]);
      },
    },
    {
      title: "a filter refuses a client with its reason",
      async run(t) {
        // The handshake has succeeded by then: start may win, and the close event carries the error, or lose with it.
        const connection = t.build("/guardedhub", withToken(t, "user=banned"));
        const closed = closing(connection);
        const error = await connection.start().then(
          () => closed,
          (failure) => failure,
        );
        if (t.transport !== "WebSockets" && error?.message.includes("No Connection with that ID: Status code '404'")) {
          return; // the client's first ping came after the end
        }
        const text = "Server returned an error on close: Connection closed with an error. HubException: you are banned";
        equal(error?.message, text, "the error");
      },
    },
  ],
};

// These need real time: the client has to be connected before its token expires. The server looks for expired tokens once
// a second, and a token's end is a whole second: one of eight seconds gives a connection seven to nine.
const lifetime = "8s";

const expiry = {
  group: "X",
  over: transports,
  cases: [
    {
      title: "a connection whose token expires reconnects with a fresh one",
      async run(t) {
        let query = `user=somebody&lifetime=${lifetime}`;
        const connection = await t.connect("/expiringhub", {
          reconnect: true,
          accessTokenFactory: () => token(t, query),
        });
        query = "user=somebody&lifetime=1h";
        const first = connection.connectionId;
        const [lost, back] = [reconnecting(connection), reconnected(connection)];
        equal(await connection.invoke("Echo", "before"), "before");
        equal(await lost, undefined, "the error of the reconnecting event");
        const second = await back;
        ok(second && second !== first, "the connection id has not changed");
        equal(await connection.invoke("Echo", "after"), "after");
        equal(await connection.invoke("GetUserNameIdentifier"), "somebody");
        await t.stop(connection);
      },
    },
    {
      title: "without automatic reconnect a connection whose token expires closes without error",
      async run(t) {
        const connection = t.build("/expiringhub", withToken(t, `lifetime=${lifetime}`));
        const closed = closing(connection);
        await connection.start();
        equal(await closed, undefined, "the error of the close event");
      },
    },
  ],
};

// A stolen connection token. The owner's connection is made of plain requests here: the client shows its token to nobody.
const otherUser = {
  group: "X",
  over: [{ transport: "ServerSentEvents" }, { transport: "LongPolling" }],
  cases: [
    ...["POST", "GET", "DELETE"].map((method) => ({
      title: `a ${method} for another user's connection is refused, and the connection lives on`,
      on: ({ transport }) => transport === "LongPolling" || method === "POST",
      async run(t) {
        const owner = await openRaw(t, "user=owner");
        try {
          const answer = await owner.request(method, await token(t, "user=thief"));
          equal(answer.status, 403);
          equal(await answer.text(), "The user associated with this connection changed.");
          equal((await owner.request("POST", owner.token)).status, 200);
        } finally {
          owner.close();
        }
      },
    })),
    {
      title: "a request without a token for another user's connection is refused with 401",
      async run(t) {
        const owner = await openRaw(t, "user=owner");
        try {
          equal((await owner.request("POST", undefined)).status, 401);
          equal((await owner.request("POST", owner.token)).status, 200);
        } finally {
          owner.close();
        }
      },
    },
    {
      title: "a fresh token of the same user is accepted",
      async run(t) {
        const owner = await openRaw(t, "user=owner&scope=first");
        try {
          equal((await owner.request("POST", await token(t, "user=owner&scope=second"))).status, 200);
        } finally {
          owner.close();
        }
      },
    },
  ],
};

export const guards = [methods, expiry, otherUser];

const token = (t, query) => t.get(`/generateJwtToken?${query}`);

const withToken = (t, query) => ({ accessTokenFactory: () => token(t, query) });

const connectAs = (t, path, query) => t.connect(path, withToken(t, query));

/**
 * Opens a connection of the combination's transport to the authorised hub. request(method, token) sends what belongs to
 * it as the token's user.
 */
async function openRaw(t, query) {
  const own = await token(t, query);
  const as = (user, headers = {}) => (user ? { Authorization: `Bearer ${user}`, ...headers } : headers);
  const negotiated = await fetch(t.url("/authorizedhub/negotiate?negotiateVersion=1"), { method: "POST", headers: as(own) });
  const { connectionToken } = await negotiated.json();
  const url = t.url(`/authorizedhub?id=${connectionToken}`);

  const stop = new AbortController();
  const headers = as(own, t.transport === "ServerSentEvents" ? { Accept: "text/event-stream" } : {});
  const opened = await fetch(url, { headers, signal: stop.signal });
  equal(opened.status, 200, "the status of the transport's request");
  return {
    token: own,
    request: (method, user) => fetch(url, { method, headers: as(user) }),
    close: () => stop.abort(),
  };
}
