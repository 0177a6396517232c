// Clients of ASP.NET SignalR 2.x and of today on a farm: two real processes with one Redis and one key, the official
// clients of both, in Chromium and in Node. A classic client belongs to no node: it comes back to any, and goes on after
// what it has heard.

import { after, before, describe, test } from "node:test";
import { launch } from "./support/chromium.mjs";
import { equal, ok } from "./support/expect.mjs";
import { join } from "./support/farm.mjs";
import { startNetwork } from "./support/network.mjs";
import { openPage } from "./support/pages.mjs";
import { startRedis } from "./support/redis.mjs";
import { interop, startServer } from "./support/server.mjs";
import { eventually, poll } from "./support/wait.mjs";

const limit = { timeout: 180_000 };
const arrival = { timeout: 90_000 }; // of thousands of messages
const transports = ["webSockets", "serverSentEvents", "foreverFrame", "longPolling"];
const key = "the key that the nodes of this farm share";

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

const opened = [];
after(() => Promise.all(opened.map((network) => network.stop())));

/** A classic client in a page of its own, connected to a server, or to several in turn, by a network of its own. */
async function classic(servers, transport, user = "") {
  const network = await startNetwork(...[servers].flat().map(({ httpUrl }) => httpUrl));
  opened.push(network);
  const url = `${network.url}/test/classic/farm.html${transport === "foreverFrame" ? "?frames" : ""}`;
  const page = await openPage(browser, url, "callClient");
  const client = { network };
  for (const name of ["connect", "stop", "invoke", "heard", "until", "count", "happened", "happens", "notice"]) {
    // The waits in the page say more when they time out.
    client[name] = (...args) => page.call("callClient", [name, ...args], { timeout: arrival.timeout + 10_000 });
  }
  client.close = async () => {
    await client.stop();
    await page.close();
  };
  client.id = await client.connect(transport, user);
  return client;
}

/** A modern client, with the same members as far as they are needed. */
async function modern(server, user = "", protocol = "json") {
  const client = await join(server, { user, protocol });
  client.close = () => client.stop();
  return client;
}

const node = (...flags) => startServer("-static", interop, "-key", key, ...flags);

let mark = 0;

/** Sends by one client and returns which of all hear it, and how often. */
async function hears(clients, from, selector, names) {
  const [text, end] = [`text ${++mark}`, `end ${mark}`];
  await from.invoke("Send", selector, names, text);
  await from.invoke("Send", "All", [], end);
  await Promise.all(clients.map((client) => client.until(end)));
  return Promise.all(clients.map(async (client) => (await client.heard()).filter((t) => t === text).length));
}

/** What holds of clients of both kinds on however many nodes. clients are two modern and then the classic ones. */
async function oneHub(clients) {
  const [a, b, c, ...others] = clients;
  const one = (...heard) => clients.map((client) => (heard.includes(client) ? 1 : 0));
  await a.invoke("Join", c.id, "g"); // a modern client adds a classic one
  await c.invoke("Join", b.id, "g"); // and the other way round
  await b.invoke("Join", others[0].id, "g");
  await c.invoke("Leave", others[0].id, "g");
  for (const from of [a, c]) {
    equal(await hears(clients, from, "All", []), clients.map(() => 1));
    equal(await hears(clients, from, "Others", []), clients.map((client) => (client === from ? 0 : 1)));
    equal(await hears(clients, from, "Caller", []), one(from));
    equal(await hears(clients, from, "AllExcept", [a.id, c.id]), one(b, ...others));
    equal(await hears(clients, from, "Client", [c.id]), one(c));
    equal(await hears(clients, from, "Clients", [b.id, others[0].id]), one(b, others[0]));
    equal(await hears(clients, from, "Client", ["00000000-0000-4000-8000-000000000000"]), one());
    equal(await hears(clients, from, "Group", ["g"]), one(b, c));
    equal(await hears(clients, from, "GroupExcept", ["g", c.id]), one(b));
    equal(await hears(clients, from, "User", ["ada"]), one(a, c));
    equal(await hears(clients, from, "Users", ["ada", "bob"]), one(a, b, c));
  }
  equal(await hears(clients, c, "OthersInGroup", ["g"]), one(b));
  for (const from of [a, c]) {
    equal(await from.invoke("Count", "All", []), clients.length);
    equal(await from.invoke("Count", "Group", ["g"]), 2);
    equal((await from.invoke("Connections", "User", ["ada"])).sort(), [a.id, c.id].sort());
    equal((await from.invoke("Nodes")).reduce((sum, count) => sum + count, 0), clients.length);
  }
}

/** Connects clients of both kinds, runs a function with them, and closes them. */
async function withClients(nodes, run) {
  const clients = [await modern(nodes[0], "ada"), await modern(nodes.at(-1), "bob", "messagepack")];
  for (const [i, transport] of transports.entries()) {
    clients.push(await classic(nodes[(i + 1) % nodes.length], transport, i === 0 ? "ada" : ""));
  }
  try {
    await run(clients);
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

test("one hub serves clients of both kinds on one node", limit, async () => {
  const server = await node();
  await withClients([server], oneHub);
  await server.stop();
});

describe("a farm of two nodes", { concurrency: false }, () => {
  let redis;
  let nodes;

  before(async () => {
    redis = await startRedis();
    nodes = [await node("-redis", redis.address), await node("-redis", redis.address)];
  });
  after(async () => {
    await Promise.all((nodes ?? []).map((one) => one.stop()));
    await redis?.stop();
  });

  test("one hub serves clients of both kinds on all nodes", limit, () => withClients(nodes, oneHub));

  test("a user's classic clients are kicked from every node, and stay away", limit, async () => {
    const watcher = await modern(nodes[0]);
    const victims = await Promise.all(transports.map((transport, i) => classic(nodes[i % 2], transport, "mallory")));
    await watcher.invoke("Kick", "User", ["mallory"]);
    await Promise.all(victims.map((victim) => victim.happens("disconnected")));
    await eventually(() => watcher.invoke("Count", "User", ["mallory"]), 0, "the number of connections of the user");
    equal(await Promise.all(victims.map((victim) => victim.happened())), victims.map(() => ["disconnected"]));
    await Promise.all([watcher, ...victims].map((client) => client.close()));
  });

  test("clients that are moved while nobody dies are on one node only", limit, async () => {
    const watcher = await modern(nodes[0]);
    const clients = await Promise.all(transports.map((transport) => classic(nodes[0], transport)));
    for (const target of [nodes[1], nodes[0], nodes[1]]) {
      for (const { network } of clients) {
        network.moveTo(target.httpUrl);
        network.lose(); // the old node does not see it
      }
      await Promise.all(clients.map((client) => client.notice()));
      const text = `moved ${++mark}`;
      await watcher.invoke("Send", "All", [], text);
      await Promise.all(clients.map((client) => client.until(text)));
      equal(await watcher.invoke("Count", "All", []), clients.length + 1);
    }
    for (const client of clients) {
      const texts = await client.heard();
      equal(texts.length, new Set(texts).size, "the number of different texts");
    }
    await Promise.all([watcher, ...clients].map((client) => client.close()));
    await eventually(async () => {
      const late = await modern(nodes[1]);
      const count = await late.invoke("Count", "All", []);
      await late.close();
      return count;
    }, 1, "the number of connections");
  });

  test("a load balancer that sends each request to another node loses and doubles nothing", limit, async () => {
    const watcher = await modern(nodes[0]);
    const clients = await Promise.all(transports.map((transport) => classic(nodes, transport, "ada")));
    for (const client of clients) {
      await client.invoke("Join", client.id, "scattered");
    }
    const total = 200;
    await Promise.all([
      watcher.invoke("Number", "All", [], "all", 0, total),
      watcher.invoke("Number", "Group", ["scattered"], "group", 0, total),
      clients[0].invoke("Number", "User", ["ada"], "user", 0, total),
      ...clients.map((client) => client.invoke("Number", "Caller", [], "caller", 0, total)),
    ]);
    for (const client of clients) {
      await client.count(4 * total, arrival);
      const texts = await client.heard();
      for (const kind of ["all", "group", "user", "caller"]) {
        equal(texts.filter((text) => text.startsWith(`${kind} `)), Array.from({ length: total }, (_, i) => `${kind} ${i}`));
      }
      equal(texts.length, 4 * total);
      equal(await client.happened(), []);
    }
    await eventually(() => watcher.invoke("Count", "All", []), clients.length + 1, "the number of connections");
    await Promise.all(clients.map((client) => client.close()));
    await eventually(() => watcher.invoke("Count", "All", []), 1, "the number of connections");
    await watcher.close();
  });

  test("a node with another key takes nobody over", limit, async () => {
    const stranger = await startServer("-static", interop, "-key", "a key that no other node of this farm has", "-redis", redis.address);
    const client = await classic(nodes[0], "serverSentEvents");
    client.network.moveTo(stranger.httpUrl);
    client.network.cut();
    await client.happens("reconnecting");
    const refused = () => client.network.requests.filter(({ url, status }) => url.includes("/reconnect") && status === 400);
    await poll(() => refused().length > 0, "a refused attempt to reconnect", { seen: () => client.network.requests.slice(-20) });
    ok(!(await client.happened()).includes("reconnected"), "the client was taken over");
    await client.close();
    await stranger.stop();
  });

  const kinds = [
    { name: "all", selector: () => ["All", []] },
    { name: "group", selector: () => ["Group", ["talk"]] },
    { name: "user", selector: (_, user) => ["User", [user]] },
    { name: "direct", selector: ([id]) => ["Client", [id]] },
  ];
  const perKind = 1_250; // 5,000 for each client
  const step = 25;

  /**
   * Sends numbered messages of each kind to a classic client of each transport from the other node; at two fifths calls
   * happen(clients), and checks in the end that none was lost, doubled or out of order.
   */
  async function conversation(home, away, happen) {
    const speaker = await modern(away);
    const user = `talker${++mark}`;
    const clients = await Promise.all(transports.map((transport) => classic(home, transport, user)));
    for (const { id } of clients) {
      await speaker.invoke("Join", id, "talk");
    }
    const say = (first, count, kind, ids) => speaker.invoke("Number", ...kind.selector(ids, user), kind.name, first, count);
    let happening;
    for (let first = 0; first < perKind; first += step) {
      if (first === perKind * 2 / 5) {
        happening = happen(clients);
      }
      await Promise.all(kinds.flatMap((kind) =>
        kind.name === "direct" ? clients.map(({ id }) => say(first, step, kind, [id])) : [say(first, step, kind, [])]));
    }
    await happening;
    for (const [i, client] of clients.entries()) {
      await client.count(kinds.length * perKind, arrival);
      const texts = await client.heard();
      for (const { name } of kinds) {
        equal(texts.filter((text) => text.startsWith(`${name} `)), Array.from({ length: perKind }, (_, i) => `${name} ${i}`),
          `what the client of ${transports[i]} has heard of the kind ${name}`);
      }
      equal(texts.length, kinds.length * perKind);
      const happened = await client.happened();
      if (transports[i] !== "longPolling" || happened.length > 0) { // which may have been between two polls
        equal(happened, ["reconnecting", "reconnected"], `what has happened to the client of ${transports[i]}`);
      }
    }
    await Promise.all([speaker, ...clients].map((client) => client.close()));
  }

  /** Kills a node and leads its clients to another one. */
  async function fail(from, to, clients) {
    from.kill();
    for (const { network } of clients) {
      network.moveTo(to.httpUrl);
      network.cut();
    }
    await Promise.all(clients.map((client) => client.notice()));
  }

  test("of 5,000 messages none is lost or doubled when the node dies in mid-conversation", { timeout: 300_000 }, async () => {
    const doomed = await node("-redis", redis.address);
    await conversation(doomed, nodes[1], (clients) => fail(doomed, nodes[1], clients));
  });

  test("nor when Redis is restarted meanwhile", { timeout: 300_000 }, async () => {
    const doomed = await node("-redis", redis.address);
    await conversation(doomed, nodes[1], async (clients) => {
      await redis.kill();
      await fail(doomed, nodes[1], clients);
      await redis.restart();
    });
  });

  test("those who do not come back are counted no more", limit, async () => {
    const doomed = await node("-redis", redis.address);
    const watcher = await modern(nodes[0]);
    const client = await classic(doomed, "webSockets", "ghost");
    await eventually(() => watcher.invoke("Count", "User", ["ghost"]), 1, "the number of connections of the user"); // a node that has just joined is not known to all at once
    doomed.kill();
    await eventually(() => watcher.invoke("Count", "User", ["ghost"]), 0, "the number of connections of the user");
    await Promise.all([watcher, client].map((one) => one.close()));
  });
});
