// The hubs of classic contract 4 other than demo, groups and authorization.

import { equal, ok } from "../support/expect.mjs";
import { Log, failure } from "../support/wait.mjs";
import { events, listen, roundTrip } from "./context.mjs";
import { ajax, all } from "./transports.mjs";

/** Listens to one hub and connects. Resolves with [log, hub, connection]. */
export async function listening(t, hub, ...names) {
  let log;
  const connection = await t.connect((hubs) => (log = listen(hubs[hub], ...names)));
  return [log, connection.hubs[hub], connection];
}

/** The reports of progress that come to a connection. */
function reportsOf(connection) {
  const log = new Log("reports of progress");
  connection.received(({ P }) => P && log.add(P.D));
  return log;
}

export const hubs = {
  group: "hubs",
  over: all,
  cases: [
    {
      title: "echoHub: a call back comes before the call is complete",
      async run(t) {
        const [log, { server }] = await listening(t, "echoHub", "echo");
        await server.echoCallback("hello");
        equal(await log.count(1), [["echo", "hello"]]);
        equal(await server.echoReturn("hello ü \u2028 </script> \ud83d\ude00"), "hello ü \u2028 </script> \ud83d\ude00");
      },
    },
    {
      title: "echoHub: a call back of a call that lasts comes at once",
      async run(t) {
        const [log, { server }] = await listening(t, "echoHub", "echo");
        let done = false;
        const call = server.echoAndDelayCallback("early").then(() => (done = true));
        equal(await log.count(1), [["echo", "early"]]);
        equal(done, false);
        await call;
      },
    },
    {
      title: "every primitive keeps its type, and undefined is null",
      async run(t) {
        const connection = await t.connect();
        const { echoHub, demo } = connection.hubs;
        for (const text of ["", "0", "null", "a".repeat(20_000)]) {
          equal(await echoHub.server.echoReturn(text), text);
        }
        for (const number of [0, -1, 2 ** 31]) {
          equal(await demo.server.overload(number), number);
        }
        equal(await demo.server.complexType({ Name: null, Age: undefined }), { Name: "", Age: 0, Address: null });
      },
    },
    {
      title: "a page may bring its own JSON",
      async run(t) {
        const used = { parse: 0, stringify: 0 };
        const connection = t.hubs();
        connection.json = {
          parse: (text) => (used.parse++, JSON.parse(text)),
          stringify: (value) => (used.stringify++, JSON.stringify(value)),
        };
        await t.start(connection);
        equal(await connection.hubs.echoHub.server.echoReturn("own"), "own");
        ok(used.parse > 1 && used.stringify > 0, JSON.stringify(used));
      },
    },
    {
      title: "texts that look like dates stay as they are",
      async run(t) {
        const [log, { server }] = await listening(t, "dateAsStringHub", "callback");
        const value = { DateAsString: "2024-02-29T00:00:00.0000000+01:00" };
        equal(await server.invoke(value), value);
        equal(await log.count(1), [["callback", value]]);
      },
    },
    {
      title: "onConnectedBufferHub: what is sent before the connection stands is there with it",
      async run(t) {
        const began = performance.now();
        const states = [];
        const connection = t.hubs();
        const hub = connection.hubs.onConnectedBufferHub;
        const log = listen(hub, "bufferMe", "pong");
        hub.on("bufferMe", () => states.push(connection.state));
        connection.received(() => {});
        await t.start(connection);
        equal(log.items, [["bufferMe", 0], ["bufferMe", 1]]);
        equal(states, [jQuery.signalR.connectionState.connected, jQuery.signalR.connectionState.connected]);
        ok(performance.now() - began > 4_500, "OnConnected did not hold the start up");
        await hub.server.ping();
        await log.count(3);
      },
    },
    {
      title: "delayedOnConnectedHub: a slow OnConnected does not make the client try another transport",
      async run(t) {
        const [, , connection] = await listening(t, "delayedOnConnectedHub", "unused");
        equal(connection.transport.name, t.transport);
        equal((await t.requests("connect")).length, 1);
        equal((await t.requests("start")).map(({ status }) => status), [200]);
      },
    },
    {
      title: "connectionDataVerifierHub: every request names the hub",
      async run(t) {
        let log;
        const connection = await t.connect((hubs) => {
          log = listen(hubs.connectionDataVerifierHub, "pong", "fail");
          listen(hubs.StatusHub, "foo"); // which tells when the end was handled
        });
        const { server } = connection.hubs.connectionDataVerifierHub;
        const { id } = connection;
        const back = events(connection, "reconnected");
        await server.ping();
        await t.lose("cut");
        await back.count(1);
        await server.ping();
        await log.count(2);
        const [watcher, , other] = await listening(t, "StatusHub", "leave");
        connection.stop();
        await watcher.until((items) => items.some(([, who]) => who === id));
        equal(await other.hubs.connectionDataVerifierHub.server.invalid(), 0);
        equal(log.items, [["pong"], ["pong"]]);
      },
    },
    {
      title: "StatusHub: everyone is told who comes, comes back and goes, without a timeout",
      async run(t) {
        const [log, { server }, watcher] = await listening(t, "StatusHub", "joined", "rejoined", "leave", "pong");
        const of = (id) => log.items.filter(([, who]) => who === id).map(([what]) => what);
        await log.until(() => of(watcher.id).length > 0);
        const connection = await t.connect(({ StatusHub }) => listen(StatusHub, "foo"));
        const { id } = connection;
        await log.until(() => of(id).length > 0);
        const back = events(connection, "reconnected");
        const watcherBack = events(watcher, "reconnected");
        await t.lose("cut");
        await Promise.all([back.count(1), watcherBack.count(1)]);
        await log.until(() => of(id).includes("rejoined"));
        connection.stop();
        await log.until(() => of(id).includes("leave"));
        await server.ping();
        await log.has(["pong"]);
        equal(of(id), ["joined", "rejoined", "leave"]);
        equal(of(watcher.id), ["joined", "rejoined"]);
      },
    },
    {
      title: "StatusHub: an abort of the client's own is a leave for the others",
      over: ajax,
      async run(t) {
        const [log] = await listening(t, "StatusHub", "leave");
        const connection = await t.connect(({ StatusHub }) => listen(StatusHub, "foo"));
        const { id } = connection;
        jQuery.signalR.transports._logic.ajaxAbort(connection);
        await log.until((items) => items.some(([, who]) => who === id));
      },
    },
    {
      title: "lifetime methods run only for hubs that are listened to",
      async run(t) {
        const [log] = await listening(t, "StatusHub", "joined");
        const other = await t.connect(); // to no hub
        const [, , third] = await listening(t, "StatusHub", "joined");
        await log.until((items) => items.some(([, who]) => who === third.id));
        equal(log.items.filter(([, who]) => who === other.id), []);
      },
    },
    {
      title: "myItemsHub: each event has the request at hand, and the connection's items",
      async run(t) {
        const qs = { mark: crypto.randomUUID() };
        let log;
        const connection = await t.connect(({ myItemsHub }) => (log = listen(myItemsHub, "update")), "/signalr", qs);
        const { id } = connection;
        const mine = () => log.items.map(([, update]) => update).filter(({ query }) => query.mark?.[0] === qs.mark);
        await connection.hubs.myItemsHub.server.getItems();
        await log.until(() => mine().length === 2);
        const [watcher] = await listening(t, "myItemsHub", "update");
        connection.stop();
        await watcher.until((items) => items.some(([, { method, query }]) => method === "OnDisconnected" && query.mark?.[0] === qs.mark));
        equal(mine().map(({ method, count }) => [method, count]), [["OnConnected", 1], ["GetItems", 2]]);
        for (const { headers, query } of mine()) {
          ok(headers["User-Agent"][0].includes("Chrome"), JSON.stringify(headers));
          equal(query.transport, [t.transport]);
        }
        ok(id, "there was no id");
      },
    },
    {
      title: "ExamineHeadersHub: the headers are those of the call's own request",
      async run(t) {
        const [log, { server }] = await listening(t, "ExamineHeadersHub", "sendHeader");
        jQuery.ajaxSetup({ headers: { "test-header": "test" } });
        try {
          await server.send();
          const [[, { testHeader, refererHeader }]] = await log.count(1);
          equal(testHeader, t.ajax ? "test" : null); // a socket has the headers that it was opened with
          equal(refererHeader, t.ajax ? location.href : null);
        } finally {
          delete jQuery.ajaxSettings.headers;
        }
      },
    },
    {
      title: "ClientCallbackHub: arguments are what they are, not what the client expects",
      async run(t) {
        const [log, { server }] = await listening(t, "ClientCallbackHub", "twoArgsMethod", "foo");
        await server.sendOneArgument();
        await server.sendArgumentsTypeMismatch();
        equal(await log.count(2), [["twoArgsMethod", "arg1"], ["foo", "arg1"]]);
      },
    },
    {
      title: "validTypedHub: declared client methods are called",
      async run(t) {
        const [log, { server }] = await listening(t, "validTypedHub", "echo", "ping");
        await server.echo("arbitrary string");
        await server.ping();
        equal(await log.count(2), [["echo", "arbitrary string"], ["ping"]]);
      },
    },
    {
      title: "invalidTypedHub: what cannot be sent fails the call and nothing else",
      async run(t) {
        const [log, { server }, connection] = await listening(t, "invalidTypedHub", "echo", "ping");
        await failure(server.echo("text"));
        await failure(server.ping());
        await roundTrip(connection);
        equal(log.items, []);
      },
    },
    {
      title: "progress: reports reach the caller in order, and the result comes at the end",
      async run(t) {
        const [, { server }, connection] = await listening(t, "progress", "unused");
        const received = reportsOf(connection);
        const reports = [];
        equal(await server.doLongRunningJob("Job").progress((percent) => reports.push(percent)), "Job done!");
        const tenths = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
        equal(await received.count(11), tenths);
        // A result that comes by another way than the reports may overtake the last of them.
        equal(reports, t.ajax ? tenths.slice(0, reports.length) : tenths);
      },
    },
    {
      title: "progress: of every type, also without a hub that is listened to",
      async run(t) {
        const connection = await t.connect();
        const { server } = connection.hubs.progress;
        const received = reportsOf(connection);
        const update = { Percent: 100, Message: "Progress is 100%" };
        for (const [method, wanted] of [
          ["reportProgressInt", 100],
          ["reportProgressString", update.Message],
          ["reportProgressTyped", update],
          ["reportProgressDynamic", update],
        ]) {
          await server[method]();
          await received.count(1);
          equal(received.items.splice(0), [wanted], method);
        }
      },
    },
    {
      title: "progress: after the method has returned it is refused",
      async run(t) {
        const [log, { server }] = await listening(t, "progress", "sendProgressAfterMethodReturnResult");
        const reports = [];
        await server.sendProgressAfterMethodReturn().progress((report) => reports.push(report));
        equal(await log.count(1), [["sendProgressAfterMethodReturnResult", true]]);
        equal(reports, []);
      },
    },
  ],
};
