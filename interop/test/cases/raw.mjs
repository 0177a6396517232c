// Groups D and E of contract 8: connections without a hub.

import { equal, rejects } from "../support/expect.mjs";
import { within } from "../support/wait.mjs";
import { once, transports } from "./combinations.mjs";

const overTransports = {
  group: "D",
  over: transports,
  cases: [
    ...["without logging", "with logging"].map((logging) => ({
      title: `one message comes back once, ${logging}, and the connection closes without error`,
      needs: ["raw"],
      schemes: ["http", "https"],
      async run(t) {
        const lines = [];
        const logger = { log: (_, line) => lines.push(line) };
        await echo(t, t.buildRaw("/echo", logging === "with logging" ? { logger, logMessageContent: true } : {}));
        equal(lines.length > 0, logging === "with logging", "whether there are log lines");
      },
    })),
  ],
};

const single = {
  group: "D",
  over: once,
  cases: [
    {
      title: "an HTTP redirect is followed by long polling, to which the client falls back",
      needs: ["raw", "LongPolling"],
      async run(t) {
        const { WebSockets, LongPolling } = t.signalR.HttpTransportType;
        await echo(t, t.buildRaw("/echoredirect", { transport: WebSockets | LongPolling }));
      },
    },
    {
      title: "an error answer to negotiate fails the start with the answer's text",
      run: (t) =>
        rejects(
          t.buildRaw("/bad-negotiate").start(t.signalR.TransferFormat.Text),
          "Failed to complete negotiation with the server: Error: Some response from server: Status code '400'",
        ),
    },
  ],
};

const bare = {
  group: "E",
  over: once,
  cases: [
    {
      title: "a bare WebSocket is echoed and closes cleanly with 1000",
      needs: ["raw"],
      schemes: ["http", "https"],
      async run(t) {
        const socket = new t.WebSocket(t.url("/echo").replace(/^http/, "ws"));
        const closed = new Promise((resolve) => {
          socket.onclose = resolve;
        });
        socket.onopen = () => socket.send("message");
        const received = [];
        socket.onmessage = ({ data }) => {
          received.push(data);
          socket.close();
        };
        const { code, wasClean } = await within(closed, "the close event", { seen: () => received });
        equal(received, ["message"]);
        equal({ code, wasClean }, { code: 1000, wasClean: true });
      },
    },
  ],
};

export const raw = [overTransports, single, bare];

/** Sends one message, which must come back exactly once, and stops the connection, which must end without an error. */
async function echo(t, connection) {
  const received = [];
  const message = "Hello, World!";
  const arrived = new Promise((resolve) => {
    connection.onreceive = (data) => {
      received.push(data);
      resolve();
    };
  });
  const closed = new Promise((resolve) => {
    connection.onclose = resolve;
  });
  await connection.start(t.signalR.TransferFormat.Text);
  await connection.send(message);
  await within(arrived, "the message");
  await connection.stop();
  equal(await within(closed, "the close event"), undefined, "the error of the close event");
  equal(received, [message]);
}
