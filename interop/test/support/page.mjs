// Runs cases in the page on behalf of chromium.test.mjs, and numbers on behalf of reconnect.test.mjs.
/* global signalR */

import { expand } from "../cases/index.mjs";
import { flow } from "./flow.mjs";

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
