// Redirects that negotiate answers with: classic contract 5 and Core/RedirectFacts of 6.

import { equal, ok } from "../support/expect.mjs";
import { failure, fetch } from "../support/wait.mjs";
import { modern, once } from "./transports.mjs";

/** Connects and returns what the query of the hub's requests has under each name. */
async function queryOf(t, url, names, qs) {
  const connection = await t.connect(() => {}, url, qs);
  const { server } = connection.hubs.redirectTestHub;
  const values = {};
  for (const name of names) {
    values[name] = (await server.getQueryStringValue(name)) ?? null;
  }
  return values;
}

const overTransports = {
  group: "redirect",
  over: modern, // forever frame is not for redirected connections
  cases: [
    {
      title: "the client follows a chain, and its token reaches the hub",
      async run(t) {
        const connection = await t.connect(() => {}, "/redirect");
        equal(connection.url, `${location.origin}/signalr/`);
        const { server } = connection.hubs.redirectTestHub;
        equal(await server.echoReturn("Test Message"), "Test Message");
        equal(await server.getAccessToken(), "TestToken");
        equal((await t.requests("negotiate")).map(({ url }) => url.pathname), [
          "/redirect/negotiate", "/redirect2/negotiate", "/redirect3//negotiate", "/redirect4/negotiate",
          "/signalr//negotiate",
        ]);
      },
    },
    {
      title: "after a stop the client is where it was",
      async run(t) {
        const connection = await t.connect(() => {}, "/redirect");
        connection.stop();
        equal([connection.url, connection.baseUrl], ["/redirect", undefined]);
        await t.start(connection);
        equal(connection.url, `${location.origin}/signalr/`);
      },
    },
    {
      title: "the query of the redirect reaches the hub",
      async run(t) {
        equal(await queryOf(t, "/redirect-query-string2", ["name1", "name3"]), { name1: "newValue", name3: "value3" });
      },
    },
    {
      title: "it takes the place of the user's",
      async run(t) {
        const qs = { foo: "bar" };
        equal(await queryOf(t, "/redirect-query-string2", ["foo", "name1"], qs), { foo: null, name1: "newValue" });
        equal(qs, { foo: "bar" });
      },
    },
    {
      title: "the last one counts",
      async run(t) {
        equal(await queryOf(t, "/redirect-query-string", ["name1", "name2", "name3", "origName1"]),
          { name1: "newValue", name2: null, name3: "value3", origName1: "value1" });
      },
    },
    {
      title: "a redirect without a query ends those before and brings the user's back",
      async run(t) {
        equal(await queryOf(t, "/redirect-query-string-clear", ["clearedName"]), { clearedName: null });
        equal(await queryOf(t, "/redirect-query-string-clear", ["clearedName", "foo"], { foo: "bar" }),
          { clearedName: null, foo: "bar" });
      },
    },
    {
      title: "a query that is not well formed does no harm",
      async run(t) {
        equal(await queryOf(t, "/redirect-query-string-invalid", ["redirect"]), { redirect: "invalid" });
      },
    },
    {
      title: "a newer protocol version is followed",
      async run(t) {
        const connection = await t.connect(() => {}, "/redirect-new-proto");
        equal(await connection.hubs.redirectTestHub.server.getAccessToken(), "TestToken");
      },
    },
  ],
};

const withoutTransport = {
  group: "redirect",
  over: once,
  cases: [
    {
      title: "a loop ends after so many redirects",
      async run(t) {
        const { source } = await failure(t.start(t.hubs("/redirect-loop"), { transport: "auto", timeout: 80_000 }));
        equal(source.message, "Negotiate redirection limit exceeded.");
        ok((await t.requests("negotiate")).length >= 100, "there were less redirects");
      },
    },
    {
      title: "a version that knows no redirects is not followed",
      async run(t) {
        await failure(t.start(t.hubs("/redirect-old-proto"), { transport: "auto" }));
        equal((await t.requests("negotiate")).length, 1);
      },
    },
    {
      title: "a version that the client does not know fails the start",
      async run(t) {
        const { message } = await failure(t.start(t.hubs("/redirect-future-proto"), { transport: "auto" }));
        ok(message.startsWith("You are using a version of the client that isn't compatible with the server."), message);
      },
    },
    {
      title: "the second redirector of a chain wants the query of the first",
      async run() {
        equal((await fetch("/redirect-query-string-clear2/negotiate")).status, 500);
      },
    },
  ],
};

export const redirects = [overTransports, withoutTransport];
