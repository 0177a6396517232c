// Requests that no client of good will makes (classic reference 1). Where the original server fails with 500, for what
// cannot be understood, this one says whose fault it is with 400: the client does the same.

import { equal } from "../support/expect.mjs";
import { fetch } from "../support/wait.mjs";
import { once } from "./transports.mjs";

const answer = async (path, parameters, options) => {
  const response = await fetch(`/signalr/${path}?${new URLSearchParams(parameters)}`, options);
  return [response.status, await response.text()];
};

const negotiated = async () => (await (await fetch("/signalr/negotiate?clientProtocol=2.1")).json()).ConnectionToken;

export const refusals = {
  group: "refusals",
  over: once,
  cases: [
    {
      title: "a transport that is missing or unknown",
      async run() {
        const connectionToken = await negotiated();
        for (const parameters of [{ connectionToken }, { connectionToken, transport: "pigeons" }]) {
          equal(await answer("connect", parameters), [400, "Protocol error: Unknown transport."]);
        }
      },
    },
    {
      title: "a token that is missing or no token",
      async run() {
        for (const transport of ["serverSentEvents", "SERVERSENTEVENTS", "webSockets", "foreverFrame", "longPolling"]) {
          equal(await answer("connect", { transport }), [400, "Protocol error: Missing connection token."]);
          for (const connectionToken of ["nonsense", "AAAA", "ÿ", "a:b"]) {
            equal(await answer("send", { transport, connectionToken }),
              [400, "The ConnectionId is in the incorrect format."]);
          }
        }
      },
    },
    {
      title: "a socket's request that is none",
      async run() {
        equal(await answer("connect", { transport: "webSockets", connectionToken: await negotiated() }),
          [400, "Not a valid web socket request."]);
      },
    },
    {
      title: "hubs that do not exist, or are named twice",
      async run() {
        for (const connectionData of ['[{"name":"nohub"}]', '[{"Name":"demo"},{"name":"DEMO"}]', "[{]", '{"name":1}']) {
          equal((await fetch(`/signalr/negotiate?${new URLSearchParams({ connectionData })}`)).status, 400, connectionData);
        }
      },
    },
    {
      title: "sends that are no calls",
      async run() {
        const parameters = { transport: "longPolling", connectionToken: await negotiated() };
        for (const data of ["", "{", "[]", '{"H":"nohub","M":"Overload","A":[],"I":0}']) {
          const [status] = await answer("send", parameters, { method: "POST", body: new URLSearchParams({ data }) });
          equal(status, 400, data);
        }
      },
    },
  ],
};
