// The hubs groupChat and groupJoiningHub of classic contract 4: Hubs/HubGroupFacts of 6.

import { equal } from "../support/expect.mjs";
import { events, listen } from "./context.mjs";
import { listening } from "./hubs.mjs";
import { all } from "./transports.mjs";

/** A name that no other case uses. */
const unique = () => `group ${crypto.randomUUID()} ü "'/\\|,`;

export const groups = {
  group: "groups",
  over: all,
  cases: [
    {
      title: "who has joined hears the group, who has left does not",
      async run(t) {
        const [log, { server }] = await listening(t, "groupChat", "send");
        const [red, blue] = [unique(), unique()];
        await server.send(red, "before");
        await server.join(red);
        await server.join(blue);
        await server.join(blue); // once more changes nothing
        await server.send(red, "red 1");
        await server.send(blue, "blue 1");
        await server.leave(red);
        await server.send(red, "red 2");
        await server.send(blue, "blue 2");
        await log.has(["send", "blue 2"]);
        equal(log.items.map(([, text]) => text).sort(), ["blue 1", "blue 2", "red 1"]);
      },
    },
    {
      title: "others of the group hear it too, those who only listen do not",
      async run(t) {
        const [log, a] = await listening(t, "groupChat", "send");
        const [logB, b] = await listening(t, "groupChat", "send");
        const [logC, c] = await listening(t, "groupChat", "send");
        const [group, end] = [unique(), unique()];
        await a.server.join(group);
        await b.server.join(group);
        for (const one of [a, b, c]) {
          await one.server.join(end);
        }
        await c.server.send(group, "from outside");
        await c.server.send(end, "end");
        await Promise.all([log, logB, logC].map((each) => each.has(["send", "end"])));
        equal([log, logB, logC].map(({ items }) => items.map(([, text]) => text).sort()),
          [["end", "from outside"], ["end", "from outside"], ["end"]]);
      },
    },
    {
      title: "groups are there again after a loss, and what was said meanwhile",
      async run(t) {
        const [log, { server }, connection] = await listening(t, "groupChat", "send");
        const group = unique();
        await server.join(group);
        await server.send(group, "before");
        await log.count(1);
        const back = events(connection, "reconnecting", "reconnected");

        // Another client, which does not go by this network, speaks while this one is away.
        const other = await t.start(t.hubs(`${t.directUrl}/signalr`), { transport: "longPolling" });
        await t.lose("down");
        await back.has("reconnecting");
        for (let i = 0; i < 20; i++) {
          await other.hubs.groupChat.server.send(group, `away ${i}`);
        }
        await t.network("up");
        await back.has("reconnected");
        await server.send(group, "after");
        await log.has(["send", "after"]);
        equal(log.items.map(([, text]) => text),
          ["before", ...Array.from({ length: 20 }, (_, i) => `away ${i}`), "after"]);
      },
    },
    {
      title: "groups joined by the hub are there when the client is connected, once",
      async run(t) {
        const [log, { server }, connection] = await listening(t, "groupJoiningHub", "ping");
        await log.count(1);
        const back = events(connection, "reconnected");
        await t.lose("cut");
        await back.count(1);
        await server.pingGroup();
        await log.count(2);
        await server.pingGroup();
        await log.count(3);
        equal(log.items, [["ping"], ["ping"], ["ping"]]);
      },
    },
    {
      title: "a group is left with the connection",
      async run(t) {
        const [log, { server }, connection] = await listening(t, "groupChat", "send");
        const [group, other] = [unique(), unique()];
        await server.join(group);
        connection.stop();
        await t.start(connection);
        await server.join(other);
        await server.send(group, "lost");
        await server.send(other, "heard");
        await log.has(["send", "heard"]);
        equal(log.items, [["send", "heard"]]);
      },
    },
    {
      title: "a group of one hub is none of another hub's",
      async run(t) {
        let chat;
        let joining;
        const connection = await t.connect((hubs) => {
          chat = listen(hubs.groupChat, "send");
          joining = listen(hubs.groupJoiningHub, "ping", "send");
        });
        await joining.count(1);
        await connection.hubs.groupChat.server.join(connection.id); // as the other hub's group is called
        await connection.hubs.groupChat.server.send(connection.id, "text");
        await chat.count(1);
        await connection.hubs.groupJoiningHub.server.pingGroup();
        await joining.count(2);
        equal([chat.items, joining.items], [[["send", "text"]], [["ping"], ["ping"]]]);
      },
    },
  ],
};
