// Not in the contract, but what users rely on: exact error texts (reference 6.3), order, names in any casing, groups.

import { called, collect } from "../support/context.mjs";
import { equal, notBound, ok, rejects } from "../support/expect.mjs";
import { Log, failure } from "../support/wait.mjs";
import { transportsAndProtocols } from "./combinations.mjs";

const notInvoked = (method, detail) => `Failed to invoke '${method}' due to an error on the server. ${detail}`;
const wrongCount = (got, want) =>
  `InvalidDataException: Invocation provides ${got} argument(s) but target expects ${want}.`;

export const extra = {
  group: "X",
  over: transportsAndProtocols,
  cases: [
    {
      title: "an unknown method is refused, and the connection lives on",
      async run(t) {
        const connection = await t.connect("/extrahub");
        const text = notInvoked("NoSuchMethod", "HubException: Method does not exist.");
        await rejects(connection.invoke("NoSuchMethod", 1), text);
        await rejects(collect(connection.stream("NoSuchMethod")), text);
        await connection.send("NoSuchMethod");
        equal(await connection.invoke("Add", 1, 2), 3);
      },
    },
    ...["OnConnected", "OnDisconnected"].map((method) => ({
      title: `the lifecycle method ${method} cannot be called`,
      async run(t) {
        const connection = await t.connect("/extrahub");
        await rejects(connection.invoke(method), notInvoked(method, "HubException: Method does not exist."));
      },
    })),
    {
      title: "a wrong number of arguments is refused, and the connection lives on",
      async run(t) {
        const connection = await t.connect("/extrahub");
        await rejects(connection.invoke("Add"), notInvoked("Add", wrongCount(0, 2)));
        await rejects(connection.invoke("Add", 1), notInvoked("Add", wrongCount(1, 2)));
        await rejects(connection.invoke("Add", 1, 2, 3), notInvoked("Add", wrongCount(3, 2)));
        equal(await connection.invoke("Add", 1, 2), 3);
      },
    },
    {
      title: "a wrong type of an argument is refused, and the connection lives on",
      async run(t) {
        const connection = await t.connect("/extrahub");
        await rejects(connection.invoke("Add", 1, "two"), notBound("Add", 2, "int"));
        await rejects(connection.invoke("Add", { a: 1 }, 2), notBound("Add", 1, "int"));
        equal(await connection.invoke("Add", 1, 2), 3);
      },
    },
    {
      title: "an error meant for the client arrives as HubException",
      async run(t) {
        const connection = await t.connect("/extrahub");
        await rejects(
          connection.invoke("Fail", "no seats left"),
          "An unexpected error occurred invoking 'Fail' on the server. HubException: no seats left",
        );
      },
    },
    {
      title: "a panic fails its call alone",
      async run(t) {
        const connection = await t.connect("/extrahub");
        const { message } = await failure(connection.invoke("Panic"));
        const start = "An unexpected error occurred invoking 'Panic' on the server.";
        ok(message.startsWith(start), `the call ended with ${message}`);
        equal(await connection.invoke("Add", 1, 2), 3);
      },
    },
    {
      title: "1,000 messages arrive in order, and before the completion of the call that sent them",
      async run(t) {
        const connection = await t.connect("/extrahub");
        const received = [];
        connection.on("Number", (number) => received.push(number));
        equal(await connection.invoke("SendNumbers", 1000), 1000);
        equal(received, Array.from({ length: 1000 }, (_, i) => i));
      },
    },
    {
      title: "100 calls sent at once are answered each with its own result",
      async run(t) {
        const connection = await t.connect("/extrahub");
        const numbers = Array.from({ length: 100 }, (_, i) => i);
        equal(
          await Promise.all(numbers.map((i) => connection.invoke("Add", i, 1))),
          numbers.map((i) => i + 1),
        );
      },
    },
    {
      title: "a text of 30,000 characters goes there and back",
      async run(t) {
        const connection = await t.connect();
        const long = "0123456789".repeat(3000);
        ok((await connection.invoke("Echo", long)) === long, "the text has changed");
      },
    },
    {
      title: "method names match in any casing",
      async run(t) {
        const connection = await t.connect("/extrahub");
        for (const name of ["add", "ADD", "aDd"]) {
          equal(await connection.invoke(name, 2, 3), 5, name);
        }
      },
    },
    {
      title: "a message to a group reaches its members, only them, and only while they are members",
      async run(t) {
        const group = `group ${Math.random()}`;
        const [one, two, outside] = await Promise.all([1, 2, 3].map(() => t.connect("/extrahub")));
        const [atOne, atTwo, atOutside] = [one, two, outside].map(inbox);
        await Promise.all([one.invoke("Join", group), two.invoke("Join", group)]);

        await outside.invoke("SendToGroup", group, "to both");
        equal(await atOne.next(), "to both");
        equal(await atTwo.next(), "to both");

        await one.invoke("SendToOthersInGroup", group, "to two");
        equal(await atTwo.next(), "to two");

        await two.invoke("Leave", group);
        await two.invoke("SendToGroup", group, "to one");
        equal(await atOne.next(), "to one");

        // Messages keep their order: had another come to one of the three, it would come before this one.
        for (const [connection, box] of [[one, atOne], [two, atTwo], [outside, atOutside]]) {
          await outside.invoke("SendToClient", connection.connectionId, "last");
          equal(await box.next(), "last");
        }
      },
    },
    {
      title: "a message to an unknown connection is lost in silence",
      async run(t) {
        const connection = await t.connect("/extrahub");
        equal(await connection.invoke("SendToClient", "nobody", "hello"), null);
      },
    },
    {
      title: "a connection can be called by its id from another one",
      async run(t) {
        const [from, to] = await Promise.all([1, 2].map(() => t.connect("/extrahub")));
        const received = called(to, "Message");
        await from.invoke("SendToClient", to.connectionId, "hello");
        equal(await received, ["hello"]);
      },
    },
  ],
};

/** Collects the connection's messages; next() resolves with the first that was not taken yet. */
function inbox(connection) {
  const messages = new Log("messages");
  connection.on("Message", (text) => messages.add(text));
  let taken = 0;
  return {
    next: async () => (await messages.count(++taken))[taken - 1],
  };
}
