// A proxy between a node and its Redis that fails in ways of our own.

import { connect, createServer } from "node:net";
import { within } from "./wait.mjs";

/**
 * Starts a proxy to an address "host:port". Resolves with { address, cut, mute, heal, stop }.
 *
 * cut(bytes) ends each connection after it has let that many bytes more of the answers through, in the middle of whatever
 * this is. mute() lets nothing through any more, in either direction, and accepts new connections all the same, as a
 * network that drops packets; heal() lets new connections through, while the muted ones stay silent.
 */
export async function startWire(target) {
  const [host, port] = target.split(":");
  const links = new Set();
  let muted = false;
  const server = createServer((client) => {
    const link = { client, redis: connect(Number(port), host), muted, left: Infinity };
    links.add(link);
    const end = () => {
      links.delete(link);
      client.destroy();
      link.redis.destroy();
    };
    for (const socket of [client, link.redis]) {
      socket.on("error", end);
      socket.on("close", end);
    }
    client.on("data", (data) => link.muted || link.redis.write(data));
    link.redis.on("data", (data) => {
      if (link.muted) {
        return;
      }
      const part = data.subarray(0, link.left);
      link.left -= part.length;
      client.write(part, () => link.left === 0 && end());
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${server.address().port}`,
    cut(bytes) {
      for (const link of links) {
        link.left = bytes;
      }
    },
    mute() {
      muted = true;
      for (const link of links) {
        link.muted = true;
      }
    },
    heal() {
      muted = false;
    },
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const { client, redis } of links) {
        client.destroy();
        redis.destroy();
      }
      await within(closed, "the wire to be removed");
    },
  };
}
