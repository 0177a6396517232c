// Networks that fail and come back: Transports/All/ConnectionStateFacts, and the reconnect files of classic contract 6.

import { equal, ok } from "../support/expect.mjs";
import { failure, fetch, poll } from "../support/wait.mjs";
import { events, listen } from "./context.mjs";
import { listening } from "./hubs.mjs";
import { ajax, all, streams } from "./transports.mjs";

/** Another client, which does not go by this case's network. */
const outside = (t) => t.start(t.hubs(`${t.directUrl}/signalr`), { transport: "longPolling" });

const numbers = (count, from = 0) => Array.from({ length: count }, (_, i) => ["echo", String(from + i)]);

/** Breaks the connection and checks that each attempt to reconnect is refused with the status. */
export async function staysAway(t, happened, status) {
  await t.lose("cut");
  const polls = async () => (await t.requests("poll")).filter(({ status }) => status === 200).length;
  const before = await polls();
  await happened.has("reconnecting");
  const attempts = await t.responses("reconnect", 3);
  equal(attempts.map((attempt) => attempt.status), attempts.map(() => status), "the responses to reconnect");
  if (t.transport === "longPolling") {
    // The client says that it was reconnected when no refusal has come within a second, by its own guess.
    equal(await polls(), before, "the polls with a response");
  } else {
    ok(!happened.items.includes("reconnected"), "it was reconnected");
  }
}

export const losses = {
  group: "loss",
  over: all,
  cases: [
    {
      title: "again and again, the connection comes back as the same",
      async run(t) {
        const [log, { server }, connection] = await listening(t, "echoHub", "echo");
        const { id, token } = connection;
        const happened = events(connection, "reconnecting", "reconnected", "disconnected");
        for (let round = 1; round <= 3; round++) {
          await t.lose("cut");
          await happened.count(2 * round);
          await server.echoCallback(String(round));
          await log.count(round);
        }
        equal(happened.items, Array(3).fill(["reconnecting", "reconnected"]).flat());
        equal([connection.id, connection.token], [id, token]);
        equal(log.items, numbers(3, 1));
      },
    },
    {
      title: "nothing that was sent meanwhile is lost or doubled",
      async run(t) {
        const connection = t.hubs();
        const log = listen(connection.hubs.groupChat, "send");
        const happened = events(connection, "reconnecting", "reconnected");
        await t.start(connection);
        const group = crypto.randomUUID();
        await connection.hubs.groupChat.server.join(group);
        const other = await outside(t);
        const send = (i) => other.hubs.groupChat.server.send(group, String(i));
        let next = 0;
        for (let round = 1; round <= 2; round++) {
          await send(next++);
          await log.count(next);
          await t.lose("down");
          await happened.count(2 * round - 1);
          for (let i = 0; i < 30; i++) {
            await send(next++);
          }
          await t.network("up");
          await happened.count(2 * round);
        }
        await send(next++);
        await log.count(next);
        equal(log.items.map(([, text]) => text), Array.from({ length: next }, (_, i) => String(i)));
      },
    },
    {
      title: "a server that has not seen the loss replaces the old transport",
      async run(t) {
        const [log, { server }, connection] = await listening(t, "StatusHub", "joined", "rejoined", "leave", "pong");
        const { id } = connection;
        const happened = events(connection, "reconnecting", "reconnected");
        await server.ping();
        await log.has(["pong"]);
        await t.lose("lose");
        await happened.count(2);
        await server.ping();
        await log.until((items) => items.filter(([what]) => what === "pong").length === 2);
        await t.network("found");
        await server.ping();
        await log.until((items) => items.filter(([what]) => what === "pong").length === 3);
        equal(log.items.filter(([, who]) => who === id).map(([what]) => what), ["joined", "rejoined"]);
      },
    },
    {
      title: "what the server sends into the void comes again",
      async run(t) {
        const connection = t.hubs();
        const log = listen(connection.hubs.groupChat, "send");
        const happened = events(connection, "reconnected");
        await t.start(connection);
        const group = crypto.randomUUID();
        await connection.hubs.groupChat.server.join(group);
        await connection.hubs.groupChat.server.send(group, "0");
        await log.count(1);
        const other = await outside(t);
        await t.network("treat", "/reconnect", "refuse");
        await t.lose("lose");
        for (let i = 1; i <= 10; i++) {
          await other.hubs.groupChat.server.send(group, String(i));
        }
        await t.network("treat", "/reconnect", null);
        await happened.count(1);
        await other.hubs.groupChat.server.send(group, "11");
        await log.count(12);
        equal(log.items.map(([, text]) => text), Array.from({ length: 12 }, (_, i) => String(i)));
      },
    },
    {
      title: "calls that were on their way over a socket fail",
      over: ["webSockets"],
      async run(t) {
        const [log, { server }, connection] = await listening(t, "demo", "begun");
        const back = events(connection, "reconnected");
        const call = failure(server.neverEndingTask());
        await log.has(["begun"]);
        await t.lose("cut");
        const { message } = await call;
        ok(message.includes("Connection started reconnecting before invocation result was received."), message);
        await back.count(1);
        equal(await server.overload(3), 3);
      },
    },
    {
      title: "calls that were on their way by HTTP come to their end",
      over: ["serverSentEvents", "longPolling"],
      async run(t) {
        const [, { server }, connection] = await listening(t, "demo", "foo");
        const happened = events(connection, "reconnected");
        await t.network("treat", "/send", "break");
        await failure(server.overload(1));
        await t.network("treat", "/send", null);
        equal(await server.overload(2), 2);
        equal(happened.items, []);
      },
    },
    {
      title: "a client that may not come back gives up after its time",
      async run(t) {
        const [, , connection] = await listening(t, "echoHub", "echo");
        const happened = events(connection, "reconnecting", "disconnected");
        connection.disconnectTimeout = 300;
        await t.lose("down");
        equal(await happened.count(2), ["reconnecting", "disconnected"]);
      },
    },
    {
      title: "a client without messages for too long comes back by itself",
      over: streams,
      async run(t) {
        const [log, { server }, connection] = await listening(t, "echoHub", "echo");
        const happened = events(connection, "connectionSlow", "reconnecting", "reconnected");
        connection._.keepAliveData.timeoutWarning = -1; // as if nothing had come for so long
        jQuery.signalR.transports._logic.markActive(connection);
        connection._.lastMessageAt -= 60_000;
        connection.transport.lostConnection(connection);
        await happened.has("reconnected");
        await server.echoCallback("back");
        equal(await log.count(1), [["echo", "back"]]);
      },
    },
    {
      title: "a token that is not the server's gets no connection back",
      async run(t) {
        const [, , connection] = await listening(t, "echoHub", "echo");
        const happened = events(connection, "reconnecting", "reconnected", "disconnected");
        connection.token = `${connection.token.slice(0, -4)}AAAA`;
        await staysAway(t, happened, 400);
      },
    },
    {
      title: "a client that gets no connection back may be told so late",
      over: ajax,
      async run(t) {
        const [, , connection] = await listening(t, "echoHub", "echo");
        const happened = events(connection, "reconnecting", "reconnected", "disconnected");
        connection.token = `${connection.token.slice(0, -4)}AAAA`;
        await t.network("treat", "/reconnect?", "delay");
        await staysAway(t, happened, 400);
      },
    },
    {
      title: "a token that has expired gets no connection back",
      async run(t) {
        const connection = await t.connect(undefined, "/expiring/signalr");
        const happened = events(connection, "reconnecting", "reconnected", "disconnected");
        const query = new URLSearchParams({ transport: "longPolling", connectionToken: connection.token });
        const body = new URLSearchParams({ data: JSON.stringify({ H: "demo", M: "Overload", A: [], I: 0 }) });
        const send = async () => (await fetch(`/expiring/signalr/send?${query}`, { method: "POST", body })).status;
        await poll(send, "the token to expire", { accept: (status) => status === 403, interval: 100 });
        await staysAway(t, happened, 403);
      },
    },
    {
      title: "a groups token that was changed, or is somebody else's, brings no groups, and breaks nothing",
      async run(t) {
        const [log, { server }, connection] = await listening(t, "groupChat", "send");
        const [, { server: member }, other] = await listening(t, "groupChat", "send");
        const [own, secret, last] = [crypto.randomUUID(), crypto.randomUUID(), crypto.randomUUID()];
        await server.join(own);
        await member.join(secret);
        await poll(() => connection.groupsToken && other.groupsToken, "both groups tokens");
        const back = [connection, other].map((each) => events(each, "reconnected"));
        for (const [i, token] of [other.groupsToken, `${connection.groupsToken.slice(0, -4)}AAAA`].entries()) {
          connection.groupsToken = token;
          await t.lose("cut");
          await Promise.all(back.map((each) => each.count(i + 1)));
          await server.join(last);
          await member.send(secret, `secret ${i}`);
          await member.send(last, `last ${i}`);
          await log.has(["send", `last ${i}`]);
        }
        equal(log.items.map(([, text]) => text), ["last 0", "last 1"]);
      },
    },
  ],
};
