// Several server processes behind one Redis are one server: selectors, groups, client results, presence and order over
// nodes, and what the failure of Redis, of the network or of a node does. The same cases with the official client in Node
// and in Chromium.

import { after, before, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { equal, ok } from "./support/expect.mjs";
import { startFarm } from "./support/farm.mjs";
import { startRedis } from "./support/redis.mjs";
import { eventually, poll } from "./support/wait.mjs";
import { startWire } from "./support/wire.mjs";

const limit = { timeout: 60_000 };
const faultLimit = { timeout: 180_000 };

/** Three nodes on a Redis, the third by a proxy, and five clients on them. */
async function start(platform) {
  const redis = await startRedis();
  const wire = await startWire(redis.address);
  const farm = await startFarm(platform);
  const addresses = [redis.address, redis.address, wire.address];
  const nodes = await Promise.all(addresses.map((address) => farm.startNode("-redis", address)));
  const clients = await Promise.all([
    nodes[0].join({ user: "ada" }),
    nodes[0].join({ user: "bob", protocol: "messagepack" }),
    nodes[1].join({ user: "ada", protocol: "messagepack" }),
    nodes[1].join({ user: "carol" }),
    nodes[2].join({ user: "dan" }),
  ]);
  return {
    farm, redis, wire, nodes, clients,
    async close() {
      await Promise.all(clients.map((client) => client.stop()));
      await farm.close();
      await wire.stop();
      await redis.stop();
    },
  };
}

for (const platform of ["node", "chromium"]) {
  describe(`a farm of three nodes, clients in ${platform}`, { concurrency: false }, () => {
    let world;
    before(async () => {
      world = await start(platform);
    });
    after(() => world?.close());

    let mark = 0;

    /** Sends by one client and returns which clients hear it, and how often. */
    async function hears(from, selector, names) {
      const text = `text ${++mark}`;
      const end = `end ${mark}`;
      await from.invoke("Send", selector, names, text);
      await from.invoke("Send", "All", [], end);
      await Promise.all(world.clients.map((client) => client.until(end)));
      return Promise.all(world.clients.map((client) => client.times(text)));
    }

    /** How much each client has heard so far. */
    const lengths = () => Promise.all(world.clients.map(async (client) => (await client.heard()).length));

    /** What each client has heard after the first `from`, up to a text that is sent now and comes last. */
    async function heardSince(from) {
      const end = `end ${++mark}`;
      await world.clients[0].invoke("Send", "All", [], end);
      await Promise.all(world.clients.map((client) => client.until(end)));
      return Promise.all(
        world.clients.map(async (client, i) => {
          const texts = await client.heard(from[i]);
          return texts.slice(0, texts.indexOf(end));
        }),
      );
    }

    /** Sends the numbers below `total` to all while something happens, which begins when a client has heard `early`. */
    async function flood(total, early, happen) {
      const [a] = world.clients;
      const from = await lengths();
      const begun = a.until(String(early));
      const sent = (async () => {
        for (let i = 0; i < total; i += 100) {
          await a.invoke("Flood", i, 100);
        }
      })();
      await begun;
      await happen();
      await sent;
      const wanted = Array.from({ length: total }, (_, i) => String(i));
      for (const heard of await heardSince(from)) {
        equal(heard, wanted);
      }
    }

    test("every selector reaches the clients of all nodes, from every node", limit, async () => {
      const [a, b, c, d, e] = world.clients;
      await a.invoke("Join", a.id, "g");
      await a.invoke("Join", c.id, "g"); // on another node
      await e.invoke("Join", d.id, "g");
      await e.invoke("Leave", d.id, "g");
      await d.invoke("Join", e.id, "h");
      for (const from of [b, d, e]) {
        equal(await hears(from, "All", []), [1, 1, 1, 1, 1]);
        equal(await hears(from, "AllExcept", [a.id, d.id]), [0, 1, 1, 0, 1]);
        equal(await hears(from, "Others", []), world.clients.map((client) => (client === from ? 0 : 1)));
        equal(await hears(from, "Caller", []), world.clients.map((client) => (client === from ? 1 : 0)));
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

    test("a connection that nobody has is answered at once", limit, async () => {
      const [a] = world.clients;
      const began = Date.now();
      await a.invoke("Join", "nobody", "g");
      await a.invoke("Join", "AAAAAAAAAAAAAAAAAAAAAA", "g"); // of a node that there is not
      await a.invoke("Leave", "AAAAAAAAAAAAAAAAAAAAAA", "g");
      equal(await a.failure("Ask", "AAAAAAAAAAAAAAAAAAAAAA"), "Connection 'AAAAAAAAAAAAAAAAAAAAAA' does not exist.");
      ok(Date.now() - began < 5_000, `the answers took ${Date.now() - began} ms`);
    });

    test("presence counts the connections of all nodes", limit, async () => {
      const [a, , c] = world.clients;
      for (const from of world.clients) {
        equal((await from.invoke("Connections", "User", ["ada"])).sort(), [a.id, c.id].sort());
        equal(await from.invoke("Count", "Group", ["g"]), 2);
        equal(await from.invoke("Count", "All", []), 5);
        equal((await from.invoke("Nodes")).sort(), [1, 2, 2]);
      }
    });

    test("client results cross nodes, with every outcome", limit, async () => {
      const [a, , c, d] = world.clients;
      equal(await a.invoke("Ask", c.id), "42");
      equal(await c.invoke("Ask", a.id), "42");
      await d.answer(undefined);
      equal(await a.failure("Ask", d.id), "Client didn't provide a result.");
      await d.answer("error");
      equal(await a.failure("Ask", d.id), "Error: not today");
      const gone = await world.nodes[2].join();
      await gone.answer("leave");
      equal(await a.failure("Ask", gone.id), `Connection '${gone.id}' disconnected.`);
      equal(await a.failure("Ask", gone.id), `Connection '${gone.id}' does not exist.`);
    });

    test("a user is kicked from every node", limit, async () => {
      const [a] = world.clients;
      const victims = await Promise.all(world.nodes.map((node) => node.join({ user: "mallory" })));
      await a.invoke("Kick", "User", ["mallory"]);
      const errors = await Promise.all(victims.map((victim) => victim.closed()));
      equal(errors.map((error) => error ?? "none"), ["none", "none", "none"]);
      await eventually(() => a.invoke("Count", "User", ["mallory"]), 0, "the number of connections of the user");
    });

    test("the messages of a topic have the same order on all nodes", limit, async () => {
      const [a, , , d, e] = world.clients;
      const from = await lengths();
      await Promise.all([a, d, e].map((sender, i) => sender.invoke("Flood", (i + 1) * 1_000_000, 300)));
      const [first, ...others] = await heardSince(from);
      equal(first.length, 900);
      for (const other of others) {
        equal(other, first);
      }
    });

    test("Redis killed and restarted with its data loses, doubles and reorders nothing", faultLimit, () =>
      flood(10_000, 500, async () => {
        await world.redis.kill();
        await world.redis.restart();
      }));

    test("connections to Redis that break in mid-message lose, double and reorder nothing", faultLimit, () =>
      flood(6_000, 200, async () => {
        for (let i = 0; i < 20; i++) {
          world.wire.cut(37 * i);
          await wait(50); // for the node to connect again; the result is the same if it takes longer
        }
      }));

    test("a network that swallows all is noticed, and loses, doubles and reorders nothing", faultLimit, () =>
      flood(3_000, 200, async () => {
        world.wire.mute();
        await wait(6_000); // real time: the node notices a silent Redis after five seconds
        world.wire.heal();
      }));

    test("a Redis that hangs for 20 s holds messages up; what failed, its sender knows", faultLimit, async () => {
      const [a] = world.clients;
      const from = await lengths();
      const sent = [];
      const failed = [];
      let ended = false;
      const sending = (async () => {
        for (let i = 0; !ended; i++) {
          const text = `n${i}`;
          const began = Date.now();
          const error = await a.failure("Send", "All", [], text);
          (error === undefined ? sent : failed).push(text);
          ok(Date.now() - began < 15_000, `sending took ${Date.now() - began} ms`);
        }
      })();
      await a.until("n20");
      world.redis.pause();
      await wait(20_000); // real time: publishing gives up after five seconds
      world.redis.resume();
      await eventually(() => a.failure("Send", "All", [], "resumed").then((error) => error ?? "none"), "none", "the error of sending");
      const before = sent.length;
      await poll(() => sent.length >= before + 3, "three more messages to be sent", { seen: () => [sent.length, failed.length] });
      ended = true;
      await sending;
      ok(failed.length > 0, "nothing failed in 20 s, though publishing waits for 5 s");
      const number = (text) => Number(text.slice(1));
      for (const heard of await heardSince(from)) {
        const numbers = heard.filter((text) => text.startsWith("n"));
        // What failed may have been delivered all the same, and once at most, as everything.
        equal(numbers.filter((text) => !failed.includes(text)), sent);
        equal(numbers, [...numbers].sort((x, y) => number(x) - number(y)));
        equal(new Set(numbers).size, numbers.length);
      }
    });

    test("a node that is killed leaves groups and counts, and its callers are told", limit, async () => {
      const [a] = world.clients;
      const node = await world.farm.startNode("-redis", world.redis.address);
      const victim = await node.join({ user: "ghost" });
      await a.invoke("Join", victim.id, "g");
      equal(await a.invoke("Count", "Group", ["g"]), 3);
      await victim.answer("never");
      const call = a.failure("Ask", victim.id);
      await victim.asked();
      const killed = Date.now();
      node.kill();
      ok((await call)?.includes(`connection '${victim.id}' cannot be asked: hubs: another node is silent`), await call);
      await eventually(() => a.invoke("Count", "Group", ["g"]), 2, "the size of the group");
      await eventually(() => a.invoke("Count", "User", ["ghost"]), 0, "the number of connections of the user");
      await eventually(async () => (await a.invoke("Nodes")).sort(), [1, 2, 2], "the connections of the nodes");
      // A heartbeat may be missing for 5 s, and is looked for each second, or less often on a busy machine.
      ok(Date.now() - killed < 15_000, `the node was there for ${Date.now() - killed} ms`);
      await victim.stop();
    });

    test("a Redis restarted empty goes on with live traffic", limit, async () => {
      const [a, , c] = world.clients;
      await world.redis.kill();
      await world.redis.restart({ empty: true });
      await eventually(async () => {
        await a.failure("Send", "All", [], "alive");
        return (await c.times("alive")) > 0;
      }, true, "whether a client on another node hears");
      equal(await hears(a, "All", []), [1, 1, 1, 1, 1]);
      equal(await a.invoke("Count", "All", []), 5);
    });
  });
}

describe("two nodes", { concurrency: false }, () => {
  let farm;
  before(async () => {
    farm = await startFarm("node");
  });
  after(() => farm?.close());

  /** Lets a client of each of two nodes send to all. Resolves with what they hear. */
  async function exchange(nodes) {
    const [a, b] = await Promise.all(nodes.map((node) => node.join()));
    await a.invoke("Send", "All", [], "here");
    await b.invoke("Send", "All", [], "there");
    await Promise.all([a.until("here"), b.until("there")]);
    const heard = await Promise.all([a.heard(), b.heard()]);
    await Promise.all([a.stop(), b.stop()]);
    await Promise.all(nodes.map((node) => node.stop()));
    return heard;
  }

  test("without Redis do not hear each other", limit, async () => {
    equal(await exchange([await farm.startNode(), await farm.startNode()]), [["here"], ["there"]]);
  });

  test("of two applications on one Redis do not hear each other", limit, async () => {
    const redis = await startRedis();
    const nodes = await Promise.all(["one", "two"].map((prefix) =>
      farm.startNode("-redis", redis.address, "-redis-prefix", prefix)));
    equal(await exchange(nodes), [["here"], ["there"]]);
    await redis.stop();
  });
});
