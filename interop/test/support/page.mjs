// Runs cases in the page on behalf of chromium.test.mjs, numbers on behalf of reconnect.test.mjs, and the clients of a
// node on behalf of support/farm.mjs.
/* global signalR */

import { expand } from "../cases/index.mjs";
import { flow } from "./flow.mjs";
import { connectMember } from "./member.mjs";

const cases = new Map(expand("chromium").map((one) => [one.title, one]));

/** Resolves with nothing, or with what failed. */
window.runCase = async (title, { httpUrl, httpsUrl }) => {
  const { MessagePackHubProtocol } = signalR.protocols.msgpack;
  const environment = { platform: "chromium", signalR, MessagePackHubProtocol, WebSocket, httpUrl, httpsUrl };
  try {
    await cases.get(title).run(environment);
    return undefined;
  } catch (error) {
    return error.stack ?? String(error);
  }
};

/** As flow, until finishFlow is called. */
window.runFlow = (options) => {
  const finished = new Promise((resolve) => (window.finishFlow = resolve));
  return flow({ signalR, MessagePackHubProtocol: signalR.protocols.msgpack.MessagePackHubProtocol }, { ...options, finished });
};

const members = new Map();

/** Connects a member and resolves with its id. */
window.connectMember = async (url, options) => {
  const { MessagePackHubProtocol } = signalR.protocols.msgpack;
  const { id, member } = await connectMember({ signalR, MessagePackHubProtocol }, url, options);
  members.set(id, member);
  return id;
};

/** Calls a method of a member. */
window.callMember = (id, method, ...args) => members.get(id)[method](...args);
