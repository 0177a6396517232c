// JSONP (classic reference 9.8): Transports/LongPolling and WebSocketsFacts of classic contract 6.

import { equal, ok } from "../support/expect.mjs";
import { Log, failure, fetch } from "../support/wait.mjs";
import { listen } from "./context.mjs";
import { once } from "./transports.mjs";

const jsonpOnly = { transport: "longPolling", jsonp: true };

const withClient = {
  group: "jsonp",
  over: once,
  cases: [
    {
      title: "hubs are called, and call back",
      async run(t) {
        const connection = t.hubs("/jsonp/signalr");
        const log = listen(connection.hubs.echoHub, "echo");
        await t.start(connection, jsonpOnly);
        equal(await connection.hubs.demo.server.overload(100), 100);
        equal((await failure(connection.hubs.demo.server.hubException())).data, "errorData");
        await connection.hubs.echoHub.server.echoCallback("hello </script> \u2028");
        equal(await log.count(1), [["echo", "hello </script> \u2028"]]);
        const sends = await t.requests("send");
        ok(sends.length > 0 && sends.every(({ method }) => method === "GET"), JSON.stringify(sends));
      },
    },
    {
      title: "raw connections echo",
      async run(t) {
        const connection = t.raw("/jsonp/echo");
        const log = new Log("messages");
        connection.received((data) => log.add(data));
        await t.start(connection, jsonpOnly);
        connection.send("test");
        equal(await log.count(1), ["test"]);
      },
    },
    {
      title: "a socket may go with it",
      async run(t) {
        const connection = t.hubs("/jsonp/signalr");
        await t.start(connection, { transport: "webSockets", jsonp: true });
        equal(await connection.hubs.demo.server.overload(100), 100);
      },
    },
    {
      title: "it is refused where it is not allowed",
      async run(t) {
        await failure(t.start(t.hubs(), jsonpOnly));
        equal((await t.requests("negotiate")).map(({ status }) => status), [403]);
      },
    },
  ],
};

const asked = {
  group: "jsonp",
  over: once,
  cases: [
    {
      title: "answers are calls of the function asked for, if that is one",
      async run() {
        const ask = (callback) => fetch(`/jsonp/signalr/ping?callback=${encodeURIComponent(callback)}`);
        const answer = await ask("some.function_1");
        equal(answer.headers.get("Content-Type"), "application/javascript; charset=UTF-8");
        equal(answer.headers.get("X-Content-Type-Options"), "nosniff");
        ok(/^some\.function_1\(\{ ?"Response": ?"pong" ?\}\);$/.test(await answer.text()), "the text");
        for (const bad of ["alert(1)//", "a.b.", "for", "a b", "1a", "a-b", "<script>"]) {
          const refused = await ask(bad);
          ok(refused.status >= 400, `${bad} was answered`);
          ok(!(await refused.text()).includes(bad), `${bad} came back`);
        }
      },
    },
    {
      title: "without the option every request with a callback is refused",
      async run() {
        for (const path of ["negotiate", "ping", "hubs", "connect?transport=longPolling"]) {
          equal((await fetch(`/signalr/${path}${path.includes("?") ? "&" : "?"}callback=f`)).status, 403, path);
        }
      },
    },
  ],
};

export const jsonp = [withClient, asked];
