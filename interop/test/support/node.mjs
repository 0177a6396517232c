// The official client in Node, as an environment for support/context.mjs.

import { createRequire } from "node:module";

// The client finds its WebSocket, EventSource and cookie jar with require, which only its CommonJS build has.
const require = createRequire(import.meta.url);
const signalR = require("@microsoft/signalr");
const { MessagePackHubProtocol } = require("@microsoft/signalr-protocol-msgpack");
const WebSocket = require("ws");

export const nodeEnvironment = ({ httpUrl, httpsUrl }) => ({
  platform: "node",
  signalR,
  MessagePackHubProtocol,
  WebSocket,
  httpUrl,
  httpsUrl,
});
