// What a page of another site can have its visitor's browser do, in Chromium. The attacker negotiates a connection and
// wants the visitor's browser to make the first request of its transport: calls would then be the visitor's.

import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { equal, ok } from "./support/expect.mjs";
import { launch } from "./support/chromium.mjs";
import { startServer } from "./support/server.mjs";
import { within } from "./support/wait.mjs";

const limit = { timeout: 60_000 };
const separator = "\x1e";

let server;
let browser;
let pages; // an empty page on every host name and port
let otherPort;

before(async () => {
  [server, browser] = await Promise.all([startServer(), launch()]);
  pages = await serveEmptyPage();
  otherPort = await serveEmptyPage();
});

after(async () => {
  await browser?.close();
  pages?.close();
  otherPort?.close();
  await server?.stop();
});

async function serveEmptyPage() {
  const http = createServer((_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<body></body>"));
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  return http;
}

/** The page of an attacker: of another site than the hub's, or of another port of the same site. */
const attackers = {
  "another site": () => `http://localhost:${pages.address().port}/`,
  "another port": () => `http://127.0.0.1:${otherPort.address().port}/`,
};

/** How a page has a browser make a request. Each runs in the page. */
const ways = {
  link: (url) => {
    const link = document.createElement("a");
    link.href = url;
    document.body.append(link);
    link.click();
  },
  location: (url) => {
    location.href = url;
  },
  image: (url) => {
    new Image().src = url;
  },
  script: (url) => {
    const script = document.createElement("script");
    script.src = url;
    document.body.append(script);
  },
  frame: (url) => {
    const frame = document.createElement("iframe");
    frame.src = url;
    document.body.append(frame);
  },
  form: (url) => {
    const form = document.createElement("form");
    form.action = url;
    form.method = "POST";
    document.body.append(form);
    form.submit();
  },
  fetch: (url) => {
    fetch(url, { credentials: "include" }).catch(() => {});
  },
  "fetch without CORS": (url) => {
    fetch(url, { credentials: "include", mode: "no-cors" }).catch(() => {});
  },
  "fetch POST without CORS": (url) => {
    fetch(url, { credentials: "include", mode: "no-cors", method: "POST", body: "x" }).catch(() => {});
  },
  "event stream": (url) => {
    new EventSource(url, { withCredentials: true });
  },
  WebSocket: (url) => {
    new WebSocket(url.replace(/^http/, "ws"));
  },
};

const cookies = { Lax: { sameSite: "Lax" }, None: { sameSite: "None", secure: true } };

async function refusedSocket(page) {
  const socket = await page.waitForEvent("websocket");
  await socket.waitForEvent("socketerror");
}

/** Browsers tell nothing of some responses, such as those that are no image: these have come all the same. */
async function refusedRequest(page, url, way) {
  const ours = (request) => request.url() === url;
  const request = await Promise.any(["requestfinished", "requestfailed"].map((event) => page.waitForEvent(event, ours)));
  const response = await request.response();
  equal(response?.status() ?? 403, 403, way);
}

async function negotiate(hub) {
  const response = await fetch(`${hub}/negotiate?negotiateVersion=1`, { method: "POST", headers: { Cookie: "visitor=mallory" } });
  equal(response.status, 200);
  return (await response.json()).connectionToken;
}

for (const path of ["/visitorhub", "/visitorhub-no-user"]) {
  describe(`cross-site ${path}`, () => {
    for (const [from, page] of Object.entries(attackers)) {
      for (const [kind, cookie] of Object.entries(cookies)) {
        test(`no way from ${from} makes a connection the visitor's (${kind} cookie)`, limit, async () => {
          const hub = server.httpUrl.replace("localhost", "127.0.0.1") + path;
          const context = await browser.newContext();
          try {
            await context.addCookies([{ name: "visitor", value: "alice", url: hub.replace(/^http:/, cookie.secure ? "https:" : "http:"), ...cookie }]);
            await Promise.all(Object.entries(ways).map(async ([way, run]) => {
              const token = await negotiate(hub);
              const visit = await context.newPage();
              await visit.goto(page());
              const url = `${hub}?id=${token}`;
              const arrived = way === "WebSocket" ? refusedSocket(visit) : refusedRequest(visit, url, way);
              await visit.evaluate(`(${run})(${JSON.stringify(url)})`).catch(() => {}); // the page may be left meanwhile
              await within(arrived, `the response to the ${way}`);
              await visit.close();
              equal(await take(hub, token), path === "/visitorhub" ? "mallory/mallory" : "/mallory", way);
            }));
          } finally {
            await context.close();
          }
        });
      }
    }
  });
}

/** Uses a connection as its negotiator and returns whose it is. */
async function take(hub, token) {
  const url = `${hub}?id=${token}`;
  const headers = { Cookie: "visitor=mallory" };
  const poll = async () => {
    const response = await fetch(url, { headers });
    equal(response.status, 200, "the status of the poll");
    return response.text();
  };
  equal(await poll(), "", "the first poll");
  const calls = [{ protocol: "json", version: 1 }, { type: 1, invocationId: "1", target: "Who", arguments: [] }];
  const body = calls.map((call) => JSON.stringify(call) + separator).join("");
  equal((await fetch(url, { method: "POST", headers, body })).status, 200);
  let text = "";
  while (!text.includes('"result"')) {
    text += await poll();
    ok(!text.includes('"error"'), text);
  }
  equal((await fetch(url, { method: "DELETE", headers })).status, 202);
  return JSON.parse(text.split(separator).find((message) => message.includes('"result"'))).result;
}
