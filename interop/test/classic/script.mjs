// The generated proxy script (classic reference 8), and Hubs/HubEventHandlerFacts of classic contract 6.

import { equal, ok } from "../support/expect.mjs";
import { Log, fetch } from "../support/wait.mjs";
import { listen, roundTrip } from "./context.mjs";
import { all, once } from "./transports.mjs";

const script = {
  group: "script",
  over: once,
  cases: [
    {
      title: "both addresses have it, with and without a slash at the end",
      async run() {
        const [text, ...others] = await Promise.all(["hubs", "hubs/", "js", "js/", "HUBS"].map(async (name) => {
          const answer = await fetch(`/signalr/${name}`);
          equal(answer.status, 200);
          equal(answer.headers.get("Content-Type"), "application/javascript; charset=UTF-8");
          equal(answer.headers.get("X-Content-Type-Options"), "nosniff");
          return answer.text();
        }));
        for (const other of others) {
          equal(other, text);
        }
      },
    },
    {
      title: "a browser that has it is told so",
      async run() {
        const tag = (await fetch("/signalr/hubs")).headers.get("ETag");
        ok(tag, "there is no ETag");
        const again = await fetch("/signalr/hubs", { headers: { "If-None-Match": tag }, cache: "no-store" });
        equal([again.status, again.headers.get("ETag")], [304, tag]);
        equal((await fetch("/signalr/hubs", { headers: { "If-None-Match": '"other"' }, cache: "no-store" })).status, 200);
      },
    },
    {
      title: "it has the path that it was fetched from",
      async run() {
        equal(jQuery.connection.hub.url, "/signalr");
        const text = await (await fetch("/signalr2/test/hubs")).text();
        ok(text.includes('"/signalr2/test"'), "the base path is not there");
      },
    },
    {
      title: "hubs and methods have their classic names",
      async run() {
        const proxies = jQuery.hubConnection("/signalr", { useDefaultPath: false }).createHubProxies();
        const names = [
          "ClientCallbackHub", "ExamineHeadersHub", "StatusHub", "adminAuthHub", "authHub", "authenticatedEchoHub",
          "connectionDataVerifierHub", "dateAsStringHub", "delayedOnConnectedHub", "demo", "echoHub", "groupChat",
          "groupJoiningHub", "incomingAuthHub", "inheritAuthHub", "invalidTypedHub", "invokeAuthHub", "myItemsHub",
          "noAuthHub", "onConnectedBufferHub", "progress", "redirectTestHub", "userAndRoleAuthHub", "validTypedHub",
        ];
        equal(Object.keys(proxies).sort(), names);
        equal(Object.keys(proxies.groupChat.server), ["join", "leave", "send"]);
        equal(Object.keys(proxies.progress.server), [
          "doLongRunningJob", "reportProgressDynamic", "reportProgressInt", "reportProgressString", "reportProgressTyped",
          "sendProgressAfterMethodReturn",
        ]);
        for (const name of names) {
          equal(Object.keys(jQuery.connection[name].server), Object.keys(proxies[name].server));
          equal(jQuery.connection[name].hubName, name.toLowerCase());
        }
        // What the hub itself runs is nothing for clients.
        equal(Object.keys(proxies.StatusHub.server), ["ping"]);
      },
    },
  ],
};

/** A connection whose echo handlers are counted. */
async function echoes(t, handlers) {
  const connection = t.hubs();
  const log = new Log("calls of echo");
  for (const name of handlers) {
    connection.hubs.echoHub.on("echo", (text) => log.add(`${name} ${text}`));
  }
  return { connection, log, hub: connection.hubs.echoHub };
}

const handlers = {
  group: "handlers",
  over: all,
  cases: [
    {
      title: "a client method is called once per call, whatever its case",
      async run(t) {
        const log = new Log("calls of echo");
        const connection = await t.connect(({ echoHub }) => {
          echoHub.client.ECHO = (text) => log.add(text);
        });
        for (const text of ["one", "two", "three"]) {
          await connection.hubs.echoHub.server.echoCallback(text);
        }
        await log.count(3);
        await roundTrip(connection);
        equal(log.items, ["one", "two", "three"]);
      },
    },
    {
      title: "generated proxies subscribe again after a stop, once",
      async run(t) {
        let log;
        const connection = await t.connect(({ echoHub }) => (log = listen(echoHub, "echo")));
        const { server } = connection.hubs.echoHub;
        await server.echoCallback("first");
        await log.count(1);
        for (let i = 0; i < 3; i++) {
          connection.stop();
          await t.start(connection);
        }
        await server.echoCallback("second");
        await log.count(2);
        await roundTrip(connection);
        equal(log.items, [["echo", "first"], ["echo", "second"]]);
      },
    },
    {
      title: "a handler of a stopped connection is replaced by the new one",
      async run(t) {
        const [old, young] = [new Log("old calls"), new Log("new calls")];
        const connection = await t.connect(({ echoHub }) => (echoHub.client.echo = (text) => old.add(text)));
        connection.stop();
        connection.hubs.echoHub.client.echo = (text) => young.add(text);
        await t.start(connection);
        await connection.hubs.echoHub.server.echoCallback("new");
        await young.count(1);
        equal([old.items, young.items], [[], ["new"]]);
      },
    },
    {
      title: "several handlers of one method are all called",
      async run(t) {
        const { connection, log, hub } = await echoes(t, ["a", "b"]);
        await t.start(connection);
        await hub.server.echoCallback("x");
        await log.count(2);
        equal(log.items, ["a x", "b x"]);
      },
    },
    {
      title: "off ends one handler, by its identity or by itself, or all",
      async run(t) {
        const { connection, log, hub } = await echoes(t, ["kept"]);
        const identity = {};
        const plain = (text) => log.add(`plain ${text}`);
        hub.on("echo", plain);
        hub.on("echo", (text) => log.add(`wrapped ${text}`), identity);
        await t.start(connection);
        await hub.server.echoCallback("1");
        await log.count(3);
        hub.off("echo", () => {}, identity);
        await hub.server.echoCallback("2");
        await log.count(5);
        hub.off("echo", plain);
        await hub.server.echoCallback("3");
        await log.count(6);
        hub.off("echo");
        await hub.server.echoCallback("4");
        await roundTrip(connection);
        equal(log.items, ["kept 1", "plain 1", "wrapped 1", "kept 2", "plain 2", "kept 3"]);
      },
    },
    {
      title: "a handler added while connected is called if the hub was listened to before",
      async run(t) {
        let log;
        const connection = await t.connect(({ echoHub }) => (log = listen(echoHub, "other")));
        connection.hubs.echoHub.on("echo", (text) => log.add(text));
        await connection.hubs.echoHub.server.echoCallback("late");
        equal(await log.count(1), ["late"]);
      },
    },
    {
      title: "errors of handlers are the page's, and the connection goes on",
      async run(t) {
        const caught = new Log("uncaught errors");
        const onError = (event) => {
          event.preventDefault();
          caught.add(event.message);
        };
        let log;
        const connection = await t.connect(({ demo }) => {
          log = listen(demo, "testGuid");
          demo.client.errorInCallback = () => {
            throw new Error("error in callback");
          };
        });
        const thrower = connection.frame?.contentWindow ?? window;
        thrower.addEventListener("error", onError);
        connection.hubs.demo.server.doSomethingAndCallError();
        ok((await caught.count(1))[0].includes("error in callback"), caught.items[0]);
        thrower.removeEventListener("error", onError);
        if (t.transport !== "longPolling") { // where the client polls no more after such an error
          await connection.hubs.demo.server.testGuid();
          await log.count(1);
        }
      },
    },
  ],
};

export { handlers, script };
