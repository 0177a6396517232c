// What can go wrong between the nodes of a farm and their Redis, at times that a seed decides.

import { setTimeout as sleep } from "node:timers/promises";
import { random } from "./random.mjs";

const hub = "signalr:{chaos";

/**
 * The faults. `about` is what a fault has for itself while it lasts: a "node" or "redis". `most` is the longest that it
 * lasts, in ms. Those that `lose` take from Redis what it has confirmed.
 */
const kinds = {
  "cut off": { about: "node", weight: 4, most: 12_000, begin: ({ wire }) => wire.mute(), end: ({ wire }) => wire.heal() },
  "cut connections": { about: "node", weight: 4, most: 0, begin: ({ wire }, { bytes }) => wire.cut(bytes) },
  "cut clients": { about: "node", weight: 2, most: 0, begin: ({ cable }, { bytes }) => cable.cut(bytes) },
  "stop node": { about: "node", weight: 3, most: 10_000, begin: ({ server }) => server.pause(), end: ({ server }) => server.resume() },
  "kill node": { about: "node", weight: 2, most: 0, begin: (node) => node.replace() },
  "stop Redis": { about: "redis", weight: 2, most: 9_000, begin: ({ redis }) => redis.pause(), end: ({ redis }) => redis.resume() },
  "kill Redis": { about: "redis", weight: 2, most: 3_000, begin: ({ redis }) => redis.kill(), end: ({ redis }) => redis.restart() },
  "fill Redis": {
    about: "redis", weight: 2, most: 7_000,
    begin: ({ redis }) => redis.command("CONFIG", "SET", "maxmemory", "1mb"),
    end: ({ redis }) => redis.command("CONFIG", "SET", "maxmemory", "0"),
  },
  "remove the epoch": { about: "redis", weight: 1, most: 0, begin: ({ redis }) => redis.command("UNLINK", `${hub}}:epoch`) },
  "remove the nodes": { about: "redis", weight: 1, most: 0, begin: ({ redis }) => redis.command("UNLINK", `${hub}}:nodes`) },
  "remove the stream": { about: "redis", weight: 1, most: 0, loses: true, begin: ({ redis }) => redis.command("UNLINK", `${hub}/0}`) },
  "remove a node's stream": {
    about: "redis", weight: 1, most: 0, loses: true,
    begin: ({ redis, nodes }, { node }) => redis.command("UNLINK", `${hub}/node/${nodes[node].id}}`),
  },
  "remove everything": { about: "redis", weight: 1, most: 0, loses: true, begin: ({ redis }) => redis.command("FLUSHALL") },
  "empty Redis": {
    about: "redis", weight: 1, most: 3_000, loses: true,
    begin: ({ redis }) => redis.kill(),
    end: ({ redis }) => redis.restart({ empty: true }),
  },
};

const longestPause = 3_000; // ms between the beginnings of faults
const mostBytes = 3_000; // that pass before a connection is cut

/** The faults of some time in ms, in order: { at, name, node, bytes, lasts }. */
export function schedule(seed, time, nodes, loses) {
  const next = random(seed);
  const below = (limit) => Math.floor(next() * limit);
  const chosen = Object.entries(kinds).filter(([, kind]) => loses || !kind.loses);
  const lots = chosen.flatMap(([name, { weight }]) => Array(weight).fill(name));
  const busy = new Map();
  const faults = [];
  for (let at = 500; at < time; at += below(longestPause)) {
    const fault = { at, name: lots[below(lots.length)], node: below(nodes), bytes: below(mostBytes), lasts: 0 };
    const { about, most } = kinds[fault.name];
    fault.lasts = below(Math.min(most, time - at));
    const what = about === "node" ? fault.node : about;
    if (at >= (busy.get(what) ?? 0)) {
      faults.push(fault);
      busy.set(what, at + fault.lasts + 1);
    }
  }
  return faults;
}

/** Makes the faults happen in a world { redis, nodes }. Resolves when all are over. */
export async function happen(faults, world, note) {
  const began = performance.now();
  const last = new Map(); // what has happened to each node, and to Redis
  for (const fault of faults) {
    await sleep(Math.max(0, began + fault.at - performance.now()));
    const { about, begin, end } = kinds[fault.name];
    const what = about === "node" ? fault.node : about;
    const before = last.get(what);
    last.set(what, (async () => {
      await before;
      const subject = about === "node" ? world.nodes[fault.node] : world;
      note(`${fault.name}${about === "node" ? ` ${fault.node}` : ""}${end ? ` for ${fault.lasts} ms` : ""}`);
      await begin(subject, fault);
      if (end) {
        await sleep(fault.lasts);
        await end(subject, fault);
        note(`${fault.name}${about === "node" ? ` ${fault.node}` : ""} is over`);
      }
    })());
  }
  await Promise.all(last.values());
}
