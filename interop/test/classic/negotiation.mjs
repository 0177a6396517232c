// Negotiate as the client and as a plain request see it: classic contract 2, 5 and Core/NegotiateFacts of 6.

import { equal, ok } from "../support/expect.mjs";
import { failure, fetch } from "../support/wait.mjs";
import { all, once } from "./transports.mjs";

const negotiate = async (query) => (await fetch(`/signalr/negotiate?${query}`)).json();

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const negotiation = {
  group: "negotiate",
  over: once,
  cases: [
    {
      title: "the answer has the settings of the contract",
      async run() {
        const { ConnectionId, ConnectionToken, ...rest } = await negotiate("clientProtocol=2.1");
        ok(guid.test(ConnectionId), `the connection id ${ConnectionId} is no GUID`);
        ok(ConnectionToken.length > ConnectionId.length, "the token is short");
        equal(rest, {
          Url: "/signalr",
          KeepAliveTimeout: 20,
          DisconnectTimeout: 30,
          ConnectionTimeout: 110,
          TryWebSockets: true,
          ProtocolVersion: "2.0",
          TransportConnectTimeout: 5,
          LongPollDelay: 0,
        });
      },
    },
    {
      title: "every version asked for gets the right one",
      async run() {
        const wanted = {
          "clientProtocol=1.2": "1.2",
          "clientProtocol=1.3": "1.3",
          "clientProtocol=1.5": "1.5",
          "clientProtocol=2.0": "2.0",
          "clientProtocol=2.1": "2.0",
          "clientProtocol=9.9": "2.0",
          "clientProtocol=1337": "1.2",
          "clientProtocol=0.1337": "1.2",
          "clientProtocol=two": "1.2",
          "clientprotocol=1.5": "1.5",
          "": "1.2",
        };
        for (const [query, version] of Object.entries(wanted)) {
          equal((await negotiate(query)).ProtocolVersion, version, query);
        }
      },
    },
    ...["1337", "0.1337"].map((version) => ({
      title: `a client of version ${version} refuses the answer`,
      over: all,
      async run(t) {
        const connection = t.hubs();
        connection.clientProtocol = version;
        const { message } = await failure(t.start(connection));
        equal(message, "You are using a version of the client that isn't compatible with the server. " +
          `Client version ${version}, server version 1.2.`);
      },
    })),
    {
      title: "the client refuses a server of ASP.NET Core SignalR",
      async run(t) {
        const { message } = await failure(t.start(t.hubs("/aspnetcore-signalr"), { transport: "auto" }));
        ok(message.startsWith("Detected a connection attempt to an ASP.NET Core SignalR Server."), message);
      },
    },
    {
      title: "an error in the answer fails the start with its text",
      async run(t) {
        const { message } = await failure(t.start(t.raw("/negotiate-error"), { transport: "auto" }));
        equal(message, "Error message received from the server: 'Server-provided negotiate error message!'.");
      },
    },
    {
      title: "the user's query reaches the hub, whatever is in it",
      over: all,
      async run(t) {
        const name = "transport: does it (really) work? ü+/&=";
        for (const qs of [{ test: name }, `test=${encodeURIComponent(name)}`, `&test=${encodeURIComponent(name)}`]) {
          const connection = await t.connect(() => {}, "/signalr", qs);
          equal(await connection.hubs.redirectTestHub.server.getQueryStringValue("test"), name);
          equal(await connection.hubs.redirectTestHub.server.getQueryStringValue("none"), undefined);
          connection.stop();
        }
      },
    },
    {
      title: "a hub that does not exist fails the start",
      over: all,
      async run(t) {
        const connection = t.hubs();
        connection.createHubProxy("someHubThatDoesNotExist").on("foo", () => {});
        const { message } = await failure(t.start(connection));
        ok(message.startsWith("Error during negotiation request."), message);
      },
    },
    {
      title: "each start gets an id and a token of its own",
      over: all,
      async run(t) {
        const connection = await t.connect();
        const [id, token] = [connection.id, connection.token];
        connection.stop();
        await t.start(connection);
        ok(connection.id !== id && connection.token !== token, "the id or the token is that of before");
        equal(await connection.hubs.echoHub.server.echoReturn("again"), "again");
      },
    },
    {
      title: "an address that ends in the script's name is one for connections",
      over: all,
      async run(t) {
        const connection = await t.connect(() => {}, "/signalr/js");
        equal(connection.appRelativeUrl, "/signalr/js");
        equal(await connection.hubs.echoHub.server.echoReturn("js"), "js");
        equal(connection.failures, []);
      },
    },
    {
      title: "double slashes do no harm",
      over: all,
      async run(t) {
        const connection = await t.connect(() => {}, "/signalr/");
        equal(await connection.hubs.echoHub.server.echoReturn("slash"), "slash");
        const [connect] = await t.requests("connect");
        ok(connect.url.pathname.includes("//"), connect.url.pathname);
      },
    },
  ],
};
