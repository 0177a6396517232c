// Several server processes behind one Redis are one server: selectors, groups, client results, presence and order over
// nodes, and what Redis' or a node's failure does.

import { after, before, describe, test } from "node:test";
import { equal, ok } from "./support/expect.mjs";
import { nodeEnvironment } from "./support/node.mjs";
import { startRedis } from "./support/redis.mjs";
import { startServer } from "./support/server.mjs";

const limit = { timeout: 60_000 };

/** A client of one node: its connection and the texts it has heard. */
async function join(server, user = "", protocol = "json") {
  const { signalR, MessagePackHubProtocol } = nodeEnvironment(server);
  const builder = new signalR.HubConnectionBuilder()
    .configureLogging(signalR.LogLevel.None)
    .withUrl(`${server.httpUrl}/farmhub?user=${user}`);
  const connection = (protocol === "json" ? builder : builder.withHubProtocol(new MessagePackHubProtocol())).build();
  const heard = [];
  const waiting = [];
  connection.on("Message", (text) => {
    heard.push(text);
    for (const check of [...waiting]) check();
  });
  connection.on("Ask", () => 42);
  await connection.start();
  return {
    connection,
    heard,
    id: connection.connectionId,
    invoke: (...args) => connection.invoke(...args),
    /** Resolves when the client has heard the text. */
    until: (text) =>
      new Promise((resolve) => {
        const check = () => {
          if (heard.includes(text)) {
            waiting.splice(waiting.indexOf(check), 1);
            resolve();
          }
        };
        waiting.push(check);
        check();
      }),
  };
}

/** Repeats a question until the answer is as wanted: what only time brings, as the death of a node. */
async function eventually(ask, wanted) {
  for (;;) {
    const answer = await ask();
    if (JSON.stringify(answer) === JSON.stringify(wanted)) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe("a farm of three nodes", { concurrency: false }, () => {
  let redis;
  let nodes;
  let clients;

  before(async () => {
    redis = await startRedis();
    nodes = await Promise.all([0, 1, 2].map(() => startServer("-redis", redis.address)));
    clients = [
      await join(nodes[0], "ada"),
      await join(nodes[0], "bob", "messagepack"),
      await join(nodes[1], "ada", "messagepack"),
      await join(nodes[1], "carol"),
      await join(nodes[2], "dan"),
    ];
  });

  after(async () => {
    await Promise.all((clients ?? []).map(({ connection }) => connection.stop()));
    await Promise.all((nodes ?? []).map((node) => node.stop()));
    await redis?.stop();
  });

  let mark = 0;

  /** Sends by one client and returns which clients hear it, and how often. */
  async function hears(from, selector, names) {
    const text = `text ${++mark}`;
    const end = `end ${mark}`;
    await from.invoke("Send", selector, names, text);
    await from.invoke("Send", "All", [], end);
    await Promise.all(clients.map((client) => client.until(end)));
    return clients.map(({ heard }) => heard.filter((t) => t === text).length);
  }

  test("every selector reaches the clients of all nodes, from every node", limit, async () => {
    const [a, b, c, d, e] = clients;
    await a.invoke("Join", a.id, "g");
    await a.invoke("Join", c.id, "g"); // on another node
    await e.invoke("Join", d.id, "g");
    await e.invoke("Leave", d.id, "g");
    await d.invoke("Join", e.id, "h");
    await e.invoke("Join", "nobody", "h");
    for (const from of [b, d, e]) {
      equal(await hears(from, "All", []), [1, 1, 1, 1, 1]);
      equal(await hears(from, "AllExcept", [a.id, d.id]), [0, 1, 1, 0, 1]);
      equal(await hears(from, "Others", []), clients.map((client) => (client === from ? 0 : 1)));
      equal(await hears(from, "Caller", []), clients.map((client) => (client === from ? 1 : 0)));
      equal(await hears(from, "Client", [c.id]), [0, 0, 1, 0, 0]);
      equal(await hears(from, "Client", ["nobody"]), [0, 0, 0, 0, 0]);
      equal(await hears(from, "Clients", [a.id, d.id, e.id]), [1, 0, 0, 1, 1]);
      equal(await hears(from, "Group", ["g"]), [1, 0, 1, 0, 0]);
      equal(await hears(from, "Groups", ["g", "h"]), [1, 0, 1, 0, 1]);
      equal(await hears(from, "GroupExcept", ["g", c.id]), [1, 0, 0, 0, 0]);
      equal(await hears(from, "User", ["ada"]), [1, 0, 1, 0, 0]);
      equal(await hears(from, "Users", ["ada", "dan"]), [1, 0, 1, 0, 1]);
    }
    equal(await hears(a, "OthersInGroup", ["g"]), [0, 0, 1, 0, 0]);
  });

  test("presence counts the connections of all nodes", limit, async () => {
    const [a, , c] = clients;
    for (const from of clients) {
      equal((await from.invoke("Connections", "User", ["ada"])).sort(), [a.id, c.id].sort());
      equal(await from.invoke("Count", "Group", ["g"]), 2);
      equal(await from.invoke("Count", "All", []), 5);
      equal((await from.invoke("Nodes")).sort(), [1, 2, 2]);
    }
  });

  test("client results cross nodes, with every outcome", limit, async () => {
    const [a, , c, d] = clients;
    const failure = (call) => call.then(() => "answered", (error) => error.message.replace(/^.*HubException: /, ""));
    equal(await a.invoke("Ask", c.id), "42");
    equal(await c.invoke("Ask", a.id), "42");
    d.connection.off("Ask");
    equal(await failure(a.invoke("Ask", d.id)), "Client didn't provide a result.");
    d.connection.on("Ask", () => {
      throw new Error("not today");
    });
    equal(await failure(a.invoke("Ask", d.id)), "Error: not today");
    const gone = await join(nodes[2]);
    gone.connection.off("Ask");
    gone.connection.on("Ask", () => gone.connection.stop());
    equal(await failure(a.invoke("Ask", gone.id)), `Connection '${gone.id}' disconnected.`);
    equal(await failure(a.invoke("Ask", gone.id)), `Connection '${gone.id}' does not exist.`);
    equal(await failure(a.invoke("Ask", "AAAAAAAAAAAAAAAAAAAAAA")), "Connection 'AAAAAAAAAAAAAAAAAAAAAA' does not exist.");
  });

  test("a user is kicked from every node", limit, async () => {
    const [a] = clients;
    const victims = await Promise.all(nodes.map((node) => join(node, "mallory")));
    const closed = victims.map(({ connection }) => new Promise((resolve) => connection.onclose(resolve)));
    await a.invoke("Kick", "User", ["mallory"]);
    equal(await Promise.all(closed), [undefined, undefined, undefined]);
    await eventually(() => a.invoke("Count", "User", ["mallory"]), 0);
  });

  test("the messages of a topic have the same order on all nodes", limit, async () => {
    const [a, , , d, e] = clients;
    const start = clients.map(({ heard }) => heard.length);
    await Promise.all([a, d, e].map((from, i) => from.invoke("Flood", (i + 1) * 1_000_000, 300)));
    await a.invoke("Send", "All", [], "order");
    await Promise.all(clients.map((client) => client.until("order")));
    const [first, ...others] = clients.map(({ heard }, i) => heard.slice(start[i]));
    equal(first.length, 901);
    for (const other of others) {
      equal(other, first);
    }
  });

  test("Redis killed and restarted with its data loses, doubles and reorders nothing", { timeout: 120_000 }, async () => {
    const [a, , , d] = clients;
    const total = 10_000;
    const start = clients.map(({ heard }) => heard.length);
    const half = a.until("6");
    const flood = (async () => {
      for (let i = 0; i < total; i += 100) {
        await a.invoke("Flood", i, 100);
      }
    })();
    await half;
    await redis.kill();
    await redis.restart();
    await flood;
    await d.invoke("Send", "All", [], "restarted");
    await Promise.all(clients.map((client) => client.until("restarted")));
    const wanted = Array.from({ length: total }, (_, i) => String(i));
    for (const [i, { heard }] of clients.entries()) {
      equal(heard.slice(start[i], -1), wanted);
    }
  });

  test("a Redis that hangs holds messages up and loses none", { timeout: 120_000 }, async () => {
    const [a, , c] = clients;
    redis.pause();
    const sent = a.invoke("Send", "All", [], "paused");
    setTimeout(() => redis.resume(), 3_000);
    await sent;
    await Promise.all([a.until("paused"), c.until("paused")]);
    equal(c.heard.filter((text) => text === "paused").length, 1);
  });

  test("a node that is killed leaves groups and counts, and its callers are told", limit, async () => {
    const [a] = clients;
    const node = await startServer("-redis", redis.address);
    const victim = await join(node, "ghost");
    await a.invoke("Join", victim.id, "g");
    equal(await a.invoke("Count", "Group", ["g"]), 3);
    victim.connection.off("Ask");
    const asked = new Promise((resolve) => victim.connection.on("Ask", () => {
      resolve();
      return new Promise(() => {});
    }));
    const call = a.invoke("Ask", victim.id).then(() => "answered", (error) => error.message);
    await asked;
    node.kill();
    ok((await call).includes(`Connection '${victim.id}'`), await call);
    await eventually(() => a.invoke("Count", "Group", ["g"]), 2);
    await eventually(() => a.invoke("Count", "User", ["ghost"]), 0);
    await victim.connection.stop();
  });

  test("a Redis restarted empty goes on with live traffic", limit, async () => {
    const [a, , c] = clients;
    await redis.kill();
    await redis.restart({ empty: true });
    await eventually(async () => {
      await a.invoke("Send", "All", [], "alive").catch(() => {});
      return c.heard.includes("alive");
    }, true);
    equal(await hears(a, "All", []), [1, 1, 1, 1, 1]);
  });
});

test("without Redis two nodes do not hear each other", limit, async () => {
  const nodes = await Promise.all([startServer(), startServer()]);
  const [a, b] = await Promise.all(nodes.map((node) => join(node)));
  await a.invoke("Send", "All", [], "here");
  await b.invoke("Send", "All", [], "there");
  await Promise.all([a.until("here"), b.until("there")]);
  equal([a.heard, b.heard], [["here"], ["there"]]);
  await Promise.all([a.connection.stop(), b.connection.stop()]);
  await Promise.all(nodes.map((node) => node.stop()));
});
