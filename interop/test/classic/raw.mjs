// Raw connections: classic contract 5, and Common/ResponseRedirectionFacts and Transports/All/SendFacts of 6.

import { equal, ok } from "../support/expect.mjs";
import { Log, failure, fetch } from "../support/wait.mjs";
import { events } from "./context.mjs";
import { ajax, all, once } from "./transports.mjs";

/** A started raw connection and what it receives. */
async function receiving(t, url, qs) {
  const connection = t.raw(url, qs);
  const log = new Log("messages");
  connection.received((data) => log.add(data));
  await t.start(connection);
  return [log, connection];
}

export const raw = {
  group: "raw",
  over: all,
  cases: [
    {
      title: "what is sent comes back, also when it is empty or nothing",
      async run(t) {
        const [log, connection] = await receiving(t, "/echo");
        for (const data of ["test", "", null, undefined, '{"a":[1]}', "ü \u2028 </script>"]) {
          connection.send(data);
        }
        connection.send({ json: [1, "two"] });
        // The client sends null and undefined as nothing, or as their names where it has a socket to write to.
        const [nothing, no] = t.ajax ? ["", ""] : ["null", "undefined"];
        const wanted = ["test", "", nothing, no, '{"a":[1]}', "ü \u2028 </script>", '{"json":[1,"two"]}'];
        equal([...(await log.count(wanted.length))].sort(), [...wanted].sort());
      },
    },
    {
      title: "what is sent comes back in order, if one waits for each",
      async run(t) {
        const [log, connection] = await receiving(t, "/echo");
        for (let i = 0; i < 20; i++) {
          connection.send(`number ${i}`);
          await log.count(i + 1);
        }
        equal(log.items, Array.from({ length: 20 }, (_, i) => `number ${i}`));
      },
    },
    {
      title: "messages of OnConnected and OnReceived keep their order",
      async run(t) {
        const [log, connection] = await receiving(t, "/multisend");
        await log.count(2);
        connection.send("test");
        equal(await log.count(4), ["OnConnectedAsync1", "OnConnectedAsync2", "OnReceivedAsync1", "OnReceivedAsync2"]);
      },
    },
    {
      title: "a hub's address serves raw connections too, which stay and come back",
      async run(t) {
        const [log, connection] = await receiving(t, "/signalr");
        const happened = events(connection, "reconnecting", "reconnected", "disconnected");
        for (let round = 1; round <= 2; round++) {
          await t.lose("cut");
          await happened.count(2 * round);
        }
        equal(happened.items, ["reconnecting", "reconnected", "reconnecting", "reconnected"]);
        equal(log.items, []);
      },
    },
    {
      title: "several connections come back, each to its own",
      async run(t) {
        const all = [];
        for (let i = 0; i < 3; i++) {
          const [log, connection] = await receiving(t, "/echo");
          all.push({ log, connection, back: events(connection, "reconnected") });
        }
        await t.lose("cut");
        await Promise.all(all.map(({ back }) => back.count(1)));
        all.forEach(({ connection }, i) => connection.send(`from ${i}`));
        await Promise.all(all.map(({ log }, i) => log.has(`from ${i}`)));
        equal(all.map(({ log }) => log.items), [["from 0"], ["from 1"], ["from 2"]]);
      },
    },
    {
      title: "HTML for an answer to negotiate fails the start",
      async run(t) {
        const { source } = await failure(t.start(t.raw("/redirectionConnection", { redirectWhen: "negotiate" })));
        equal(source.message, "Error parsing negotiate response.");
      },
    },
    {
      title: "a redirect of connect fails the start",
      async run(t) {
        const connection = t.raw("/redirectionConnection", { redirectWhen: "connect" });
        const { message } = await failure(t.start(connection));
        ok(message.startsWith("No transport could be initialized successfully."), message);
      },
    },
    {
      title: "HTML for an answer to ping fails the ping and ends the connection",
      async run(t) {
        const [, connection] = await receiving(t, "/redirectionConnection", { redirectWhen: "ping" });
        const gone = events(connection, "disconnected");
        const { message } = await failure(jQuery.signalR.transports._logic.pingServer(connection));
        equal(message, "Failed to parse ping server response, stopping the connection.");
        await gone.count(1);
      },
    },
    {
      title: "HTML for an answer to send ends the connection",
      over: ajax,
      async run(t) {
        const [, connection] = await receiving(t, "/redirectionConnection", { redirectWhen: "send" });
        const gone = events(connection, "disconnected");
        connection.send("text");
        await gone.count(1);
        equal(connection.failures.map(({ message }) => message), ["Send failed."]);
      },
    },
    {
      title: "HTML for an answer to poll ends the connection",
      over: ["longPolling"],
      async run(t) {
        const connection = t.raw("/redirectionConnection", { redirectWhen: "poll" });
        const gone = events(connection, "disconnected");
        t.start(connection).catch(() => {}); // the poll may fail before the start is complete
        await gone.count(1);
        equal(connection.failures.length, 1);
      },
    },
    {
      title: "a redirect to the root finds a page",
      over: once,
      async run() {
        const answer = await fetch("/redirectionConnection/poll?redirectWhen=poll");
        equal([answer.status, answer.redirected, new URL(answer.url).pathname], [200, true, "/"]);
        await failure(answer.json());
      },
    },
  ],
};
