// The hub demo of classic contract 4, with Hubs/HubProxyFacts, Common/AjaxSendFacts and Transports/All/SendFacts of 6.

import { equal, ok } from "../support/expect.mjs";
import { Log, failure } from "../support/wait.mjs";
import { listen, roundTrip } from "./context.mjs";
import { listening } from "./hubs.mjs";
import { ajax, all } from "./transports.mjs";

const zeros = "00000000-0000-0000-0000-000000000000";
const general = (method) => `There was an error invoking Hub method 'demo.${method}'.`;

/** The parts of an error that the client makes of an answer. */
const parts = ({ message, source, data }) => ({ message, source, data });

export const demo = {
  group: "demo",
  over: all,
  cases: [
    {
      title: "a variadic method serves what were overloads",
      async run(t) {
        const { demo } = (await t.connect()).hubs;
        equal(await demo.server.overload(), undefined);
        equal(await demo.server.overload(100), 100);
      },
    },
    {
      title: "a call that lasts is waited for",
      async run(t) {
        const { demo } = (await t.connect()).hubs;
        equal(await demo.server.getValue(), 10);
      },
    },
    {
      title: "calls of one client overlap",
      async run(t) {
        const [log, { server }, connection] = await listening(t, "demo", "begun");
        const call = failure(server.neverEndingTask());
        await log.has(["begun"]);
        equal(await server.overload(1), 1);
        connection.stop();
        await call;
      },
    },
    {
      title: "errors are told in detail where that is on",
      async run(t) {
        const { demo } = (await t.connect()).hubs;
        const thrown = "Exception of type 'System.Exception' was thrown.";
        for (const method of ["synchronousException", "taskWithException", "genericTaskWithException"]) {
          equal(parts(await failure(demo.server[method]())), { message: thrown, source: "Exception", data: undefined });
        }
        for (const method of ["cancelledTask", "cancelledGenericTask"]) {
          equal((await failure(demo.server[method]())).source, "Exception");
        }
      },
    },
    {
      title: "where it is off, only errors for the client have their text and data",
      async run(t) {
        const { demo } = (await t.connect(() => {}, "/signalr2/test")).hubs;
        equal(parts(await failure(demo.server.hubException())),
          { message: "message", source: "HubException", data: "errorData" });
        equal(parts(await failure(demo.server.hubExceptionWithoutErrorData())),
          { message: "message", source: "HubException", data: undefined });
        for (const method of ["SynchronousException", "TaskWithException", "GenericTaskWithException", "CancelledTask"]) {
          equal(parts(await failure(demo.invoke(method))),
            { message: general(method), source: "Exception", data: undefined });
        }
        equal((await failure(demo.invoke("noSuchMethod"))).message, general("noSuchMethod"));
      },
    },
    {
      title: "methods that cannot be called are told apart in detail",
      async run(t) {
        const { demo } = (await t.connect()).hubs;
        equal(demo.server.unsupportedOverload, undefined);
        equal((await failure(demo.invoke("UnsupportedOverload", 1))).message,
          "'UnsupportedOverload' method could not be resolved. No method found with that name.");
        ok((await failure(demo.invoke("GetValue", 1))).message.startsWith("'GetValue' method could not be resolved."),
          "a wrong number of arguments");
        await failure(demo.invoke("Overload", "text"));
        equal(await demo.invoke("oVERLOAD", 7), 7);
      },
    },
    {
      title: "an error leaves the connection alone",
      async run(t) {
        const connection = await t.connect();
        await failure(connection.hubs.demo.server.synchronousException());
        await roundTrip(connection);
        equal(connection.failures, []);
      },
    },
    {
      title: "the client's methods are called, with whatever case and also if they do not exist",
      async run(t) {
        const [log, { server }] = await listening(t, "demo", "testGuid", "signal", "dynamic", "groupAdded");
        await server.testGuid();
        await server.dynamicTask();
        await server.mispelledClientMethod();
        await server.dynamicInvoke("DYNAMIC");
        await server.addToGroups();
        // The demo's signal goes to every client there is.
        await log.has(["groupAdded"]);
        await log.has(["signal", zeros]);
        equal(log.items.filter(([name]) => name !== "signal"), [["testGuid", zeros], ["dynamic"], ["groupAdded"]]);
      },
    },
    {
      title: "arguments with parts arrive, of certain types and of none",
      async run(t) {
        const { demo } = (await t.connect()).hubs;
        const person = { Name: "Ann", Age: 20, Address: { Street: "Main Street", Zip: "98052" } };
        await demo.server.simpleArray([5, 5, 6]);
        await demo.server.complexArray([person, person]);
        equal(await demo.server.complexType(person), person);
        equal(await demo.server.passingDynamicComplex(person), 20);
        await demo.server.plainTask();
        equal(await demo.server.genericTaskWithContinueWith(), 4);
      },
    },
    {
      title: "large and strange results arrive as they are",
      async run(t) {
        const { demo } = (await t.connect()).hubs;
        equal(await demo.server.returnLargePayload(), "a".repeat(64 * 1024));
        ok((await demo.server.inlineScriptTag()).endsWith('<script>document.title = "replaced"</script>'), "the text");
        ok(document.title !== "replaced", "the script ran");
      },
    },
    {
      title: "the state goes to the server and comes back",
      async run(t) {
        const { demo } = (await t.connect()).hubs;
        equal(await demo.server.readStateValue(), undefined);
        demo.state.name = "test";
        equal(await demo.server.readStateValue(), "test");
        equal(await demo.server.setStateValue("Company"), "Company");
        equal(demo.state, { name: "test", Company: "Company" });

        const state = { Name: "David", Age: 0, Address: { Street: "Somewhere", Zip: "" } };
        demo.state.state = state;
        equal(await demo.server.readAnyState(), state);
        equal([demo.state.state2, demo.state.addy], [state, state.Address]);
        await demo.server.complexType(state);
        equal(demo.state.person, state);
      },
    },
    {
      title: "calls to the caller carry its state",
      async run(t) {
        const connection = t.hubs();
        const { demo } = connection.hubs;
        const log = new Log("messages");
        demo.client.invoke = (i) => log.add([i, demo.state.index]);
        await t.start(connection);
        const call = demo.server.multipleCalls();
        call.then(() => {}, () => {}); // it is not waited for
        equal((await log.count(3)).slice(0, 3), [[0, 1], [1, 2], [2, 3]]);
      },
    },
    {
      title: "too large a state is refused, and the connection goes on",
      async run(t) {
        const { demo } = (await t.connect()).hubs;
        demo.state.name = "x".repeat(4000);
        equal(await demo.server.readStateValue(), demo.state.name);
        if (t.ajax) { // over a socket there is no answer to wait for
          demo.state.name = "x".repeat(5000);
          await failure(demo.server.readStateValue());
          demo.state.name = "small";
          equal(await demo.server.readStateValue(), "small");
        }
      },
    },
    {
      title: "progress is reported while the call runs",
      async run(t) {
        const { demo } = (await t.connect()).hubs;
        const reports = [];
        const call = demo.server.reportProgress("Job").progress((percent) => reports.push(percent));
        equal(await call, "Job done!");
        const tenths = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
        // A result that comes by another way than the reports may overtake the last of them.
        equal(reports, t.ajax ? tenths.slice(0, Math.max(reports.length, 10)) : tenths);
      },
    },
    {
      title: "a call that never ends is over for the client when it stops",
      async run(t) {
        const [log, { server }, connection] = await listening(t, "demo", "begun");
        const call = failure(server.neverEndingTask());
        await log.has(["begun"]); // or it would begin without a connection to end with
        equal(Object.keys(connection._.invocationCallbacks), ["0"]);
        connection.stop();
        await call;
        equal([connection._.invocationCallbackId, connection._.invocationCallbacks], [0, {}]);
      },
    },
    {
      title: "a call is forgotten when it has succeeded or failed",
      async run(t) {
        const connection = await t.connect();
        const pending = () => Object.keys(connection._.invocationCallbacks);
        const { demo } = connection.hubs;
        const call = demo.server.overload(100);
        equal(pending(), ["0"]);
        await call;
        equal(pending(), []);
        await failure(demo.server.synchronousException());
        equal(pending(), []);
      },
    },
    {
      title: "the result's id is a text, whatever the call's was",
      over: ajax,
      async run(t) {
        const log = new Log("messages");
        const connection = await t.connect(({ demo }) => listen(demo, "foo"));
        connection.received((result) => log.add(result));
        for (const I of [1, "2"]) {
          jQuery.signalR.transports._logic.ajaxSend(connection, JSON.stringify({ H: "demo", M: "Overload", A: [6], I }));
        }
        equal((await log.count(2)).sort((a, b) => a.I - b.I), [{ R: 6, I: "1" }, { R: 6, I: "2" }]);
      },
    },
    {
      title: "a call without a list of arguments is one without arguments",
      over: ajax,
      async run(t) {
        const log = new Log("messages");
        const connection = await t.connect();
        connection.received((result) => log.add(result));
        jQuery.signalR.transports._logic.ajaxSend(connection, '{"H":"DEMO","M":"overload","I":5}');
        equal(await log.count(1), [{ I: "5" }]);
      },
    },
    {
      title: "sends do not depend on the page's own settings for requests",
      over: ajax,
      async run(t) {
        const { contentType } = jQuery.ajaxSettings;
        const { demo } = (await t.connect()).hubs;
        jQuery.ajaxSetup({ contentType: "application/json; charset=utf-8" });
        try {
          equal(await demo.server.overload(6), 6);
        } finally {
          jQuery.ajaxSetup({ contentType });
        }
      },
    },
    {
      title: "a send with a token that is not the server's is refused, and the connection goes on",
      over: ajax,
      async run(t) {
        const connection = await t.connect();
        const { token } = connection;
        // Another character in the middle: the last ones may have been those, or have bits that mean nothing.
        const changed = `${token.slice(0, 20)}${token[20] === "A" ? "B" : "A"}${token.slice(21)}`;
        for (const wrong of ["hello world", changed, token.slice(1)]) {
          connection.token = wrong;
          const call = failure(connection.hubs.demo.server.overload(1));
          connection.token = token;
          await call;
        }
        equal((await t.requests("send")).map(({ status }) => status), [400, 400, 400]);
        equal(await connection.hubs.demo.server.overload(2), 2);
      },
    },
    {
      title: "sendToUser reaches nobody without a user",
      async run(t) {
        const [log, { server }, connection] = await listening(t, "demo", "invoke");
        await server.sendToUser("nobody");
        await server.sendToUser("");
        await roundTrip(connection);
        equal(log.items, []);
      },
    },
  ],
};
