// A cable to a server that can be cut and unplugged.

import { once } from "node:events";
import { connect, createServer } from "node:net";
import { within } from "./wait.mjs";

/**
 * Lays a cable to an http:// URL. Resolves with its own URL, webSockets(), which tells how many were opened over it, and
 * functions: cut loses all connections, unplug does and refuses new ones until plug, stop does for ever.
 *
 * Of the nth WebSocket, from 1, only most(n) bytes of its frames reach the client.
 */
export async function layCable(target, most = () => Infinity) {
  const { hostname, port } = new URL(target);
  const sockets = new Set();
  let plugged = true;
  let webSockets = 0;
  const listener = createServer((client) => {
    if (!plugged) {
      client.destroy();
      return;
    }
    const server = connect({ host: hostname, port, noDelay: true });
    client.setNoDelay(true);
    let number = 0; // of the WebSocket
    let left; // bytes to the client, after the head of the answer
    client.on("data", (data) => {
      if (number === 0 && /^upgrade: websocket\r$/im.test(data.toString("latin1"))) {
        number = ++webSockets;
      }
      server.write(data);
    });
    server.on("data", (data) => {
      left ??= number > 0 ? data.indexOf("\r\n\r\n") + 4 + most(number) : Infinity;
      client.write(data.subarray(0, left));
      left -= Math.min(left, data.length);
    });
    for (const [from, to] of [[client, server], [server, client]]) {
      sockets.add(from);
      from.on("error", () => {}); // close follows
      from.on("end", () => to.end());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const cut = () => sockets.forEach((socket) => socket.destroy());
  return {
    url: `http://127.0.0.1:${listener.address().port}`,
    webSockets: () => webSockets,
    cut,
    unplug() {
      plugged = false;
      cut();
    },
    plug() {
      plugged = true;
    },
    async stop() {
      const closed = once(listener, "close");
      listener.close();
      cut();
      await within(closed, "the cable to be removed");
    },
  };
}
