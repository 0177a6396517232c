// A TCP proxy that breaks WebSockets: after random numbers of bytes, in random ways, which a seed decides.

import { connect, createServer } from "node:net";
import { journal } from "./journal.mjs";
import { newSeed, random } from "./random.mjs";

// How often a WebSocket is broken early: after few bytes, often before all has come that is sent again at its beginning.
// It must not always be so: nothing new would ever arrive. The others live for a while, however much that carries.
const earlyOnes = 0.7;
const longestLife = 3000; // ms

// More bytes than a client sends before it knows that it is connected.
const handshakeSize = 300;

// How long things hang, at most, in ms.
const longestStall = 300;

/** The ways to break a connection. `from` is the socket whose bytes were counted, `to` the one that gets them. */
const ways = {
  // Both sides see the end of the stream.
  cut: ({ from, to }) => [from, to].forEach((socket) => socket.destroy()),
  // Both sides see an error.
  reset: ({ from, to }) => [from, to].forEach((socket) => socket.resetAndDestroy()),
  // The receiver sees the end, while the other direction goes on until it answers.
  "half-close": ({ to }) => to.end(),
  // The server sees nothing for a while: the client is back before it knows.
  "lose client": ({ client, server, later }) => {
    client.destroy();
    server.pause();
    later(() => server.destroy());
  },
  // The client sees nothing for a while.
  "lose server": ({ client, server, later }) => {
    server.destroy();
    client.pause();
    later(() => client.destroy());
  },
  // Nothing moves in this direction for a while, then both ends are lost.
  "stall and cut": ({ from, to, later }) => {
    from.pause();
    later(() => [from, to].forEach((socket) => socket.destroy()));
  },
};

/**
 * Starts a proxy in front of an http:// URL that breaks `cuts` WebSockets, and then no more: most of them after at most so
 * many `bytes` in one direction, the others so many bytes after some time. Everything else passes, and so does the HTTP
 * exchange that opens a WebSocket: the official client does not try a second time when that fails.
 *
 * Resolves with { url, seed, finished, counts, log, stop }: finished is a promise for the last break, counts says how
 * often each way was used.
 */
export async function startProxy(target, { cuts, bytes, seed = newSeed() }) {
  const { hostname, port } = new URL(target);
  const next = random(seed);
  const below = (limit) => Math.floor(next() * limit);
  const sockets = new Set();
  const timers = new Set();
  const counts = Object.fromEntries(Object.keys(ways).map((name) => [name, 0]));
  let left = cuts;
  let opened = 0;
  const log = journal();
  let finish;
  const finished = new Promise((resolve) => (finish = resolve));

  const later = (action) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      action();
    }, below(longestStall));
    timers.add(timer);
  };

  const listener = createServer({ allowHalfOpen: true }, (client) => {
    const server = connect({ host: hostname, port, allowHalfOpen: true, noDelay: true });
    client.setNoDelay(true);
    const plan = {
      way: Object.keys(ways)[below(Object.keys(ways).length)],
      up: next() < 0.5,
      ripe: Date.now() + (next() < earlyOnes ? 0 : below(longestLife)),
      after: below(bytes), // counted from when it is ripe
      done: false,
    };
    let upgrading = false;
    let number; // of the WebSocket, from 1
    // Nothing breaks before the client has spoken on an open WebSocket, the first time more than its handshake: what is
    // lost earlier the official client does not try again.
    let spoken = 0;
    let enough;

    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy()); // what breaks here is meant to
      socket.on("close", () => {
        sockets.delete(socket);
        // The ways that leave one end open take care of it themselves.
        if (!plan.done || !["lose client", "lose server"].includes(plan.way)) {
          client.destroy();
          server.destroy();
        }
      });
    }

    const forward = (from, to, up) => {
      let head = ""; // of the first request or answer, until it is complete
      let counted = 0;
      from.on("data", (data) => {
        let body = data;
        if (head !== undefined) {
          head += data.toString("latin1");
          const end = head.indexOf("\r\n\r\n");
          if (end < 0) {
            to.write(data);
            return;
          }
          if (up && /^upgrade: websocket\r$/im.test(head)) {
            upgrading = true;
            enough = opened === 0 ? handshakeSize : 1;
            number = ++opened;
          }
          if (!up && upgrading) {
            log.add(`WebSocket ${number}: ${head.slice(0, head.indexOf("\r\n"))}`);
          }
          const rest = head.length - end - 4;
          head = undefined;
          to.write(data.subarray(0, data.length - rest));
          body = data.subarray(data.length - rest);
        }
        if (upgrading && up) {
          spoken += body.length;
        }
        const early = spoken < enough || Date.now() < plan.ripe || counted + body.length <= plan.after;
        if (!upgrading || plan.done || plan.up !== up || left === 0 || early) {
          counted += Date.now() < plan.ripe ? 0 : body.length;
          to.write(body);
          return;
        }
        plan.done = true;
        counts[plan.way]++;
        log.add(`WebSocket ${number}: ${plan.way} ${up ? "up" : "down"} after ${spoken} bytes up`);
        if (--left === 0) {
          finish();
        }
        from.removeAllListeners("data"); // nothing more passes in this direction
        to.write(body.subarray(0, Math.max(0, plan.after - counted)), () => ways[plan.way]({ from, to, client, server, later }));
        from.resume();
      });
      from.on("end", () => to.end());
    };
    forward(client, server, true);
    forward(server, client, false);
  });
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));

  return {
    url: `http://127.0.0.1:${listener.address().port}`,
    seed,
    counts,
    finished,
    log,
    async stop() {
      const closed = new Promise((resolve) => listener.close(resolve));
      timers.forEach(clearTimeout);
      sockets.forEach((socket) => socket.destroy());
      await closed;
    },
  };
}
