// Stateful reconnect with the official client, through a proxy that breaks its connections: to a server that is alone, and
// to one of two on a Redis, with messages that come by the other. And a single loss that is hard to survive.
//
// CUTS=1000 sets how often, in each of the cases, and SEED=number repeats a run, as far as time allows.

import { availableParallelism } from "node:os";
import { after, before, describe, test } from "node:test";
import { layCable } from "./support/cable.mjs";
import { launch } from "./support/chromium.mjs";
import { equal, ok } from "./support/expect.mjs";
import { flow } from "./support/flow.mjs";
import { nodeEnvironment } from "./support/node.mjs";
import { startProxy } from "./support/proxy.mjs";
import { startRedis } from "./support/redis.mjs";
import { interop, startServer } from "./support/server.mjs";

const cuts = Number(process.env.CUTS ?? 25);
const all = process.env.CUTS !== undefined; // else two nodes are tried with half of the combinations
const limit = { timeout: 40_000 + cuts * 4_000 };
const least = 20 * cuts; // numbers of each kind: fewer than there are on an idle machine
// What half a second carries.
const bytes = { json: 6000, messagepack: 2500 };

let redis;
let servers; // the first one is alone
let browser;

before(async () => {
  [redis, browser] = await Promise.all([startRedis({ durable: false }), launch()]);
  servers = await Promise.all([
    startServer("-log", "DEBUG", "-static", interop),
    startServer("-log", "DEBUG", "-redis", redis.address),
    startServer("-redis", redis.address),
  ]);
});

after(async () => {
  await browser?.close();
  await Promise.all((servers ?? []).map((server) => server.stop()));
  await redis?.stop();
});

/** Each runs a flow with a client of its own, until `finished` resolves. */
const platforms = {
  Node: (options) => flow(nodeEnvironment({}), options),
  async Chromium({ finished, ...options }) {
    const page = await (await browser.newContext()).newPage();
    await page.goto(`${servers[0].httpUrl}/test/support/page.html`);
    await page.waitForFunction("window.runFlow");
    const counts = page.evaluate((options) => window.runFlow(options), options);
    counts.catch(() => {}); // it is looked at below
    await Promise.race([finished, counts]);
    await page.evaluate(() => window.finishFlow());
    return counts;
  },
};

/** Runs numbers through a proxy in front of one server. */
async function throughProxy(t, server, { run, protocol, far }) {
  const proxy = await startProxy(server.httpUrl, { cuts, bytes: bytes[protocol] });
  try {
    const counts = await run({
      url: `${proxy.url}/flowhub`,
      far: far && `${far.httpUrl}/flowhub`,
      protocol,
      least,
      limit: limit.timeout - 10_000, // to fail with an explanation
      finished: proxy.finished,
    });
    t.diagnostic(`${t.name}: ${cuts} cuts with ${JSON.stringify({ ...counts, ...proxy.counts })}`);
  } catch (error) {
    const done = Object.values(proxy.counts).reduce((sum, count) => sum + count);
    const [, id] = /connection (\S{22}):/.exec(error.message) ?? [];
    const logs = `The proxy's log:\n${proxy.log}\nThe server's log of the connection:\n${id && server.logOf(id)}`;
    throw new Error(`after ${done} cuts with SEED=${proxy.seed}: ${error.message}\n${logs}`, { cause: error });
  } finally {
    await proxy.stop();
  }
}

// No more at a time than the machine has cores: pages that are held up longer than the server waits prove nothing.
describe("every number arrives once and in order", { concurrency: availableParallelism() }, () => {
  for (const [platform, run] of Object.entries(platforms)) {
    for (const protocol in bytes) {
      test(`${platform}, ${protocol}`, limit, (t) => throughProxy(t, servers[0], { run, protocol }));
      const farToo = all || (platform === "Node") === (protocol === "json"); // the far client has the other protocol
      test(`${platform}, ${protocol}, two nodes`, { ...limit, skip: !farToo && "only with CUTS" }, (t) => throughProxy(t, servers[1], { run, protocol, far: servers[2] }));
    }
  }
});

// The client acknowledges by its second WebSocket what it has received by the first, before all of it has come again, and
// then loses the second. It does not accept that the third begins where its acknowledgement ends.
describe("an acknowledgement leaves nothing in doubt", { concurrency: true }, () => {
  // Enough for Sequence and some of the messages.
  for (const [protocol, some, isAck] of [
    ["json", 200, (data) => /"type":8/.test(data)],
    ["messagepack", 60, (data) => new Uint8Array(data).at(2) === 8],
  ]) {
    test(protocol, limit, async () => {
      const cable = await layCable(servers[0].httpUrl, (number) => (number === 2 ? some : Infinity));
      const { signalR, MessagePackHubProtocol } = nodeEnvironment({});
      const build = (url) => {
        const builder = new signalR.HubConnectionBuilder().configureLogging(signalR.LogLevel.None).withUrl(`${url}/flowhub`);
        return protocol === "json" ? builder : builder.withHubProtocol(new MessagePackHubProtocol());
      };
      const connection = build(cable.url).withStatefulReconnect().build();
      const observer = build(servers[0].httpUrl).build();
      try {
        const closed = new Promise((_, reject) => connection.onclose((error) => reject(error ?? new Error("closed"))));
        closed.catch(() => {}); // it is looked at below
        const numbers = [];
        const until = (number) => new Promise((resolve) => connection.on("Number", (n) => n === number && resolve()));
        connection.on("Number", (number) => numbers.push(number));
        connection.on("Welcome", () => {});
        observer.on("Welcome", () => {});
        await Promise.all([connection.start(), observer.start()]);

        let last = until(29);
        for (let number = 0; number < 30; number++) {
          connection.send("Echo", number);
        }
        await last;
        // What it sends goes through here.
        const raw = connection.connection;
        const send = raw.send;
        const acknowledged = new Promise((resolve) => {
          raw.send = (data) => {
            const sent = send.call(raw, data);
            if (isAck(data)) {
              resolve(cable.webSockets());
            }
            return sent;
          };
        });
        cable.cut();
        equal(await Promise.race([acknowledged, closed]), 2, "the WebSocket of the acknowledgement");
        const observed = new Promise((resolve) => observer.on("Number", resolve));
        connection.send("Forward", observer.connectionId, 0);
        await Promise.race([observed, closed]); // the server has it, and the acknowledgement before it
        const { _nextReceivingSequenceId: next, _latestReceivedSequenceId: latest } = connection._messageBuffer;
        ok(next > 1 && next <= latest, `the client expects message ${next} and knows ${latest}`);
        last = until(30);
        cable.cut();
        connection.send("Echo", 30);
        await Promise.race([last, closed]);
        equal(numbers, Array.from({ length: 31 }, (_, number) => number), "the numbers");
        equal(cable.webSockets(), 3, "the number of WebSockets");
      } finally {
        await Promise.all([connection.stop(), observer.stop()]);
        await cable.stop();
      }
    });
  }
});
