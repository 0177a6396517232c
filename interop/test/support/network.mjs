// The network between a page and a server, as an HTTP proxy that a test can break: the page's origin stays the same
// whatever happens behind it, and whichever server is behind it.

import { Agent, createServer, request } from "node:http";
import { within } from "./wait.mjs";

const delay = 1500; // ms

/**
 * Starts a network in front of a server, by its http:// URL, or in front of several, each of which gets a request in turn.
 * Resolves with
 *
 *   url         what the page opens
 *   moveTo(...urls) leads what comes from now on to other servers
 *   cut()       breaks everything that is under way: both sides see it
 *   lose()      breaks everything that is under way: the client sees it, the server does not until `found` or `stop`
 *   found()     lets the server see what was lost
 *   down(), up() refuses, accepts what comes
 *   treat(text, how) what is done with requests whose URL contains the text: "refuse" answers 503, "break" breaks them,
 *               "swallow" passes them on and withholds the answer, "delay" does so for a while. null ends that
 *   requests    the method, URL and status of each request so far, the status 0 until there is an answer
 *   underWay()  the requests whose exchange has not ended
 *   stop()
 */
export async function startNetwork(...targets) {
  const agent = new Agent({ keepAlive: true });
  const exchanges = new Set(); // { request, client, server }: what was noted, and the sockets or streams of both sides
  const lost = new Set(); // the servers' sides
  const treatments = new Map();
  const requests = [];
  let off = false;

  const treatment = (url) => [...treatments].find(([text]) => url.includes(text))?.[1];
  const note = ({ method, url }) => {
    const entry = { method, url, status: 0 };
    requests.push(entry);
    return entry;
  };
  /** Notes an exchange until its client's side is closed, and calls broken then, unless it was lost. */
  const open = (request, client, server, broken) => {
    const exchange = { request, client, server };
    exchanges.add(exchange);
    client.on("close", () => exchanges.delete(exchange) && broken());
    for (const side of [client, server]) {
      side.on("error", () => {}); // what breaks here is meant to
    }
  };
  const forward = ({ method, url, headers }) => {
    const [target] = targets;
    targets.push(targets.shift());
    const { hostname, port } = new URL(target);
    return request({ agent, hostname, port, method, path: url, headers });
  };

  const front = createServer((incoming, answer) => {
    const how = treatment(incoming.url);
    if (off || how === "break") {
      incoming.socket.destroy();
      return;
    }
    const entry = note(incoming);
    if (how === "refuse") {
      answer.writeHead((entry.status = 503)).end();
      return;
    }
    const outgoing = forward(incoming);
    open(entry, answer, outgoing, () => answer.writableFinished || outgoing.destroy());
    outgoing.on("error", () => answer.destroy());
    outgoing.on("response", (response) => {
      entry.status = response.statusCode;
      if (how === "swallow") {
        response.resume();
        return;
      }
      response.on("error", () => answer.destroy());
      const pass = () => {
        answer.writeHead(response.statusCode, response.statusMessage, response.headers);
        answer.flushHeaders();
        response.pipe(answer);
      };
      how === "delay" ? setTimeout(pass, delay) : pass();
    });
    incoming.pipe(outgoing);
  });
  front.on("upgrade", (incoming, socket, head) => {
    socket.on("error", () => {});
    const how = treatment(incoming.url);
    if (off || how === "break") {
      socket.destroy();
      return;
    }
    const entry = note(incoming);
    if (how === "refuse") {
      socket.end(`HTTP/1.1 ${(entry.status = 503)} Refused\r\nConnection: close\r\n\r\n`);
      return;
    }
    const outgoing = forward(incoming);
    open(entry, socket, outgoing, () => outgoing.destroy());
    outgoing.on("error", () => socket.destroy());
    outgoing.on("upgrade", (response, server, first) => {
      entry.status = response.statusCode;
      server.on("error", () => {});
      server.on("close", () => socket.destroySoon());
      if (how === "swallow") {
        server.resume();
        return;
      }
      socket.write(headOf(response));
      socket.write(first);
      server.write(head);
      server.pipe(socket).pipe(server);
    });
    outgoing.on("response", (response) => {
      entry.status = response.statusCode;
      socket.write(headOf(response));
      response.pipe(socket);
    });
    outgoing.end();
  });
  front.keepAliveTimeout = 0; // it breaks nothing by itself
  await new Promise((resolve) => front.listen(0, "127.0.0.1", resolve));

  const breakAll = (keep) => {
    for (const { client, server } of [...exchanges]) {
      if (keep) {
        exchanges.clear();
        lost.add(server);
      }
      client.destroy();
    }
  };
  const network = {
    url: `http://127.0.0.1:${front.address().port}`,
    requests,
    underWay: () => [...exchanges].map(({ request }) => request),
    moveTo: (...urls) => (targets = urls),
    cut: () => breakAll(false),
    lose: () => breakAll(true),
    found() {
      lost.forEach((server) => server.destroy());
      lost.clear();
    },
    down() {
      off = true;
      breakAll(false);
    },
    up: () => (off = false),
    treat: (text, how) => (how === null ? treatments.delete(text) : treatments.set(text, how)),
    /** As it was at the beginning. */
    mend() {
      off = false;
      treatments.clear();
      network.found();
      requests.length = 0;
    },
    async stop() {
      const closed = new Promise((resolve) => front.close(resolve));
      network.down();
      network.found();
      agent.destroy();
      front.closeAllConnections();
      await within(closed, "the network to stop", { seen: network.underWay });
    },
  };
  return network;
}

function headOf({ statusCode, statusMessage, rawHeaders }) {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}
