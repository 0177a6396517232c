// Pages of other origins: the server's other port is one. It lists the page's origin for one hub and another origin for
// the other hub, and leaves both to the library.

import { equal, rejects } from "../support/expect.mjs";
import { within } from "../support/wait.mjs";
import { transportsAndProtocols } from "./combinations.mjs";

const withToken = { accessTokenFactory: () => "any" }; // a header that the browser asks about first

const notConnected =
  "WebSocket failed to connect. The connection could not be found on the server, either the endpoint may not be a " +
  "SignalR endpoint, the connection ID is not present on the server, or there is a proxy blocking WebSockets. If you " +
  "have multiple servers check that sticky sessions are enabled.";

export const cors = {
  group: "X",
  over: transportsAndProtocols,
  cases: [
    {
      title: "a page of an origin that the hub lists may use it",
      on: "chromium",
      schemes: ["https"], // another port than the page's
      async run(t) {
        const connection = await t.connect("/corshub", withToken);
        equal(await connection.invoke("Echo", "from elsewhere"), "from elsewhere");
        await t.stop(connection);
      },
    },
    {
      title: "a page of an origin that the hub does not list cannot negotiate",
      on: "chromium",
      schemes: ["https"],
      run: (t) =>
        rejects(
          t.connect("/corshub-elsewhere", withToken),
          "Failed to complete negotiation with the server: TypeError: Failed to fetch",
        ),
    },
    {
      title: "a page of an origin that the hub lists may open a WebSocket without negotiation",
      on: ({ transport }, platform) => transport === "WebSockets" && platform === "chromium",
      schemes: ["https"],
      async run(t) {
        const connection = await t.connect("/corshub", { skipNegotiation: true });
        equal(await connection.invoke("Echo", "from elsewhere"), "from elsewhere");
      },
    },
    {
      title: "a page of an origin that the hub does not list cannot open a WebSocket without negotiation",
      on: ({ transport }, platform) => transport === "WebSockets" && platform === "chromium",
      schemes: ["https"],
      run: (t) => rejects(t.connect("/corshub-elsewhere", { skipNegotiation: true }), notConnected),
    },
    {
      title: "pages of the hub's own origin need no list",
      on: "chromium",
      async run(t) {
        const connection = await t.connect("/corshub-elsewhere", withToken);
        equal(await connection.invoke("Echo", "from here"), "from here");
      },
    },
    {
      // A browser does not tell a page why its WebSocket failed; Node does, and lets a client name any origin.
      title: "a WebSocket is answered 403 for the origins that the hub does not list alone",
      on: ({ transport, protocol }, platform) =>
        transport === "WebSockets" && protocol === "json" && platform === "node",
      schemes: ["http", "https"],
      async run(t) {
        const answers = {
          "https://elsewhere.example": "open",
          "http://elsewhere.example": "Unexpected server response: 403",
        };
        for (const [origin, answer] of Object.entries(answers)) {
          equal(await outcome(t, "/corshub-elsewhere", origin), answer, origin);
        }
      },
    },
  ],
};

/** Opens a WebSocket as a page of the origin: resolves with "open" or with the reason why it is not. */
function outcome(t, path, origin) {
  const opened = new Promise((resolve) => {
    const socket = new t.WebSocket(t.url(path).replace(/^http/, "ws"), { origin });
    socket.onopen = () => {
      socket.close();
      resolve("open");
    };
    socket.onerror = ({ message }) => resolve(message);
  });
  return within(opened, `the outcome of a WebSocket to ${path}`);
}
