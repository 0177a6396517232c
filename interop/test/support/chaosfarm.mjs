// A farm for chaos: nodes that are replaced when they are killed, each with a way of its own to one Redis, clients that come
// back when they lose their connection, and traffic between all of them. Everything is noted in a ledger.

import { setTimeout as sleep } from "node:timers/promises";
import { Ledger, now } from "./ledger.mjs";
import { nodeEnvironment } from "./node.mjs";
import { freePort, startRedis } from "./redis.mjs";
import { startServer } from "./server.mjs";
import { poll, within } from "./wait.mjs";
import { startWire } from "./wire.mjs";

const settling = { timeout: 60_000 };

const users = ["ada", "bob", "carol"];
const firmGroups = ["firm 0", "firm 1"]; // a client joins one of them and stays
const looseGroups = ["loose 0", "loose 1"]; // clients come and go
const mostDeeds = 5; // of an order

const below = (limit) => Math.floor(Math.random() * limit);
const oneOf = (list) => list[below(list.length)];

/** Resolves with a farm { redis, nodes, ledger, settle, close } of so many nodes under load. */
export async function startChaosFarm(count, log) {
  const farm = new ChaosFarm(log);
  await farm.start(count);
  return farm;
}

class ChaosFarm {
  nodes = [];
  clients = [];
  ledger = new Ledger();
  #log;
  #calm = false; // no traffic any more but what settle sends
  #over = false;
  #running = []; // clients
  #traffic = []; // what ends when all is calm

  constructor(log) {
    this.#log = log;
  }

  async start(count) {
    this.redis = await startRedis();
    this.nodes = await Promise.all(Array.from({ length: count }, (_, index) => this.#addNode(index)));
    for (const [index, node] of this.nodes.entries()) {
      for (let i = 0; i < 3; i++) {
        const client = {
          label: `client ${index}${"abc"[i]}`, node, user: users[(index + i) % users.length],
          stateful: i < 2, protocol: (index + i) % 2 === 0 ? "json" : "messagepack",
        };
        this.clients.push(client);
        this.#running.push(this.#keepConnected(client));
      }
    }
    await this.#ready();
  }

  async #addNode(index) {
    const place = { wire: await startWire(this.redis.address), port: await freePort(), redis: this.redis };
    place.cable = await startWire(`127.0.0.1:${place.port}`);
    place.launch = async () => {
      place.server = await startServer("-http", `127.0.0.1:${place.port}`, "-redis", place.wire.address);
      place.url = place.server.httpUrl;
      const { node: id } = await state(place);
      const server = place.server;
      place.id = id;
      place.process = { number: `${index}.${this.ledger.nodes.length}`, id, alive: true, losses: [], server, url: place.url, senders: [] };
      this.ledger.nodes.push(place.process);
      for (let i = 0; i < 2; i++) {
        this.#traffic.push(this.#send(place.process, i));
      }
    };
    place.replace = async () => {
      const { process } = place;
      process.alive = false;
      await place.server.kill();
      process.losses = lossesOf(process.server);
      for (;;) {
        try {
          await place.launch();
          return;
        } catch (error) {
          this.#log.add(`node ${index} cannot start: ${error.message.slice(0, 300)}`); // Redis is away
        }
      }
    };
    await place.launch();
    return place;
  }

  /** Keeps a client connected until the end. */
  async #keepConnected(client) {
    while (!this.#over) {
      const { process } = client.node;
      const record = this.ledger.connection(process, client.user, client.label);
      const connection = build(client.node.cable.address, client);
      const hear = (sender, number) => record.heard.push({ sender, number, at: now() });
      connection.on("Message", hear);
      connection.on("Ask", (sender, number) => {
        hear(sender, number);
        return number;
      });
      const closed = new Promise((resolve) => connection.onclose((error) => resolve(error)));
      try {
        client.connection = connection;
        await connection.start();
        record.id = connection.connectionId;
        await connection.invoke("Ready");
        record.node = this.ledger.nodes.find(({ id }) => id === nodeOf(record.id)) ?? record.node;
        record.ready = now();
        client.record = record;
        this.#traffic.push(this.#changeGroups(client, record));
        const error = await closed;
        record.closed = now();
        this.#log.add(`${client.label} (${record.id}) has ended: ${error?.message}`);
      } catch (error) {
        record.closed = now();
        this.#log.add(`${client.label} cannot connect: ${error.message}`);
        await connection.stop();
        await sleep(100);
      }
    }
  }

  /** Sends until the node is killed or all is calm. */
  async #send(process, index) {
    const name = `${process.number}${"xy"[index]}`;
    const sender = { ...this.ledger.sender(name, process), number: 0 };
    process.senders.push(sender);
    while (!this.#calm && process.alive) {
      const pipeline = index === 1 && below(2) === 0;
      const deeds = Array.from({ length: 1 + below(mostDeeds) }, () => this.#anyDeed(pipeline));
      await this.#order(process, sender, deeds, pipeline);
      await sleep(20 + below(60));
    }
  }

  /** Chooses a deed. What asks does not go by a pipeline, nor wait for it. */
  #anyDeed(pipeline) {
    const record = oneOf(this.clients)?.record;
    switch (below(record ? 7 : 4)) {
      case 0:
        return { do: "Send", to: "All", name: "" };
      case 1:
        return { do: "Send", to: "User", name: oneOf(users) };
      case 2:
        return { do: "Send", to: "Group", name: oneOf(firmGroups) };
      case 3:
        return { do: "Send", to: "Group", name: oneOf(looseGroups) };
      case 4:
        return { do: pipeline ? "Send" : "Ask", to: "Client", name: record.id };
      default:
        return { do: "Send", to: "Client", name: record.id };
    }
  }

  /** Has a sender do deeds, and notes what became of them. Reports whether all have succeeded. */
  async #order(process, sender, deeds, pipeline) {
    const began = now();
    const messages = deeds.map((deed) => ({
      node: process, number: sender.number++, kind: deed.do, to: deed.to, name: deed.name, began, ended: Infinity, done: false,
    }));
    sender.messages.push(...messages);
    const outcomes = await carryOut(process, {
      sender: sender.name, pipeline, deeds: deeds.map((deed, i) => ({ ...deed, number: messages[i].number })),
    });
    messages.forEach((message, i) => {
      message.ended = now();
      message.done = outcomes[i] !== undefined && outcomes[i].error === undefined;
      if (message.done && message.kind === "Ask" && outcomes[i].value !== message.number) {
        this.#log.add(`${sender.name}: ${message.number} was answered with ${outcomes[i].value}`);
      }
    });
    const failure = outcomes.find(({ error }) => error !== undefined);
    if (failure) {
      this.#log.add(`${sender.name}: ${failure.error}`);
    }
    return messages.every(({ done }) => done);
  }

  /** Changes the groups of a connection while it lasts, by one node, and perhaps ends it. */
  async #changeGroups(client, record) {
    const { process } = oneOf(this.nodes);
    const change = async (kind, group) => {
      const entry = { group, kind, began: now(), ended: Infinity, ok: false };
      record.changes.push(entry);
      const [outcome] = await carryOut(process, { deeds: [{ do: kind, to: "All", name: record.id, group }] });
      entry.ended = now();
      entry.ok = outcome.error === undefined;
    };
    await change("Add", oneOf(firmGroups));
    while (!this.#calm && process.alive && record.closed === Infinity) {
      await sleep(200 + below(800));
      if (below(60) === 0) {
        const began = now();
        const [outcome] = await carryOut(process, { deeds: [{ do: "Abort", to: "Client", name: record.id }] });
        if (outcome.error === undefined) {
          record.aborted = { node: process, began };
        }
        return;
      }
      await change(oneOf(["Add", "Remove"]), oneOf(looseGroups));
    }
  }

  /** Resolves when every client is connected and every node knows all others. */
  async #ready() {
    const states = () => Promise.all(this.nodes.map(state));
    const healthy = ({ health, nodes }) => health === "connected" && nodes === this.nodes.length;
    await poll(states, "all nodes to be connected to all others", { ...settling, interval: 100, accept: (all) => all.every(healthy) });
    const absent = () => this.clients.filter(({ record }) => !record || record.closed !== Infinity).map(({ label }) => label);
    await poll(absent, "all clients to be connected", { ...settling, interval: 100, accept: (labels) => labels.length === 0 });
  }

  /** Ends the traffic with last messages of every kind, and waits until everything has arrived or is known to be lost. */
  async settle() {
    await this.#ready();
    await sleep(1_000); // of traffic while all is well again
    this.#calm = true;
    await within(Promise.all(this.#traffic), "all orders to be carried out", settling);
    await this.#ready();
    const processes = this.nodes.map(({ process }) => process);
    const last = await Promise.all(processes.flatMap(({ senders }) => senders).map((sender) => this.#finish(sender)));
    const unheard = () => this.#live().flatMap((record) => {
      const heard = new Set(record.heard.map(({ sender, number }) => `${sender} ${number}`));
      return last.flatMap(({ name, toAll, toOne }) =>
        [toAll, toOne.get(record.id)].filter((number) => number !== undefined && !heard.has(`${name} ${number}`))
          .map((number) => `${record.label}: ${name}/${number}`));
    });
    await poll(unheard, "the last messages to arrive", { ...settling, interval: 100, accept: (list) => list.length === 0 });
    for (const process of processes) {
      process.losses = lossesOf(process.server);
      for (const group of [...firmGroups, ...looseGroups]) {
        const [{ value, error }] = await carryOut(process, { deeds: [{ do: "Members", to: "Group", name: group }] });
        this.ledger.views.push({ node: process, group, members: value ?? [], error });
      }
    }
  }

  #live = () => this.clients.map(({ record }) => record).filter(({ closed }) => closed === Infinity);

  /** Sends a last message to all and to every connection. Resolves with their numbers. */
  async #finish(sender) {
    for (;;) {
      const first = sender.number;
      const ids = this.#live().map(({ id }) => id);
      const deeds = [
        ...[...firmGroups, ...looseGroups].map((name) => ({ do: "Send", to: "Group", name })),
        ...users.map((name) => ({ do: "Send", to: "User", name })),
        ...ids.map((name) => ({ do: "Send", to: "Client", name })),
        { do: "Send", to: "All", name: "" },
      ];
      if (await this.#order(sender.node, sender, deeds, false)) {
        const offset = first + deeds.length - 1 - ids.length;
        return { name: sender.name, toAll: sender.number - 1, toOne: new Map(ids.map((id, i) => [id, offset + i])) };
      }
      await sleep(100);
    }
  }

  async close() {
    this.#calm = this.#over = true;
    await Promise.all(this.clients.map(({ connection }) => connection?.stop()));
    await Promise.all([...this.#running, ...this.#traffic]);
    await Promise.all(this.nodes.map(({ server }) => server.stop()));
    await Promise.all(this.nodes.flatMap(({ wire, cable }) => [wire.stop(), cable.stop()]));
    await this.redis.stop();
  }
}

/** The node that has made a connection. */
function nodeOf(connectionId) {
  return Buffer.from(connectionId, "base64url").readUInt32BE();
}

function build(address, { user, stateful, protocol }) {
  const { signalR, MessagePackHubProtocol } = nodeEnvironment({});
  const builder = new signalR.HubConnectionBuilder()
    .configureLogging(signalR.LogLevel.None)
    .withUrl(`http://${address}/chaoshub?user=${user}`, { transport: signalR.HttpTransportType.WebSockets });
  if (stateful) {
    builder.withStatefulReconnect();
  }
  return (protocol === "json" ? builder : builder.withHubProtocol(new MessagePackHubProtocol())).build();
}

const state = async ({ server }) => (await fetch(`${server.httpUrl}/chaos`)).json();

/** Gives an order to a node. Resolves with the outcomes of the deeds that were begun. */
async function carryOut({ url }, order) {
  try {
    const response = await fetch(`${url}/chaos`, { method: "POST", body: JSON.stringify(order) });
    return await response.json();
  } catch (error) {
    return [{ error: `the node does not say: ${error.cause?.message ?? error.message}` }];
  }
}

/** The losses that a server has reported. */
function lossesOf(server) {
  const lines = server.logOf("msg=LOSS", Infinity).split("\n").filter(Boolean);
  return lines.map((line) => {
    const value = (name) => new RegExp(`${name}=(\\S+)`).exec(line)[1];
    return { reason: value("reason"), own: value("own") === "true", publisher: Number(value("publisher")), count: Number(value("count")) };
  });
}
