// Group B of contract 8: timeouts and automatic reconnect.

import { closing, loseAndReconnect, reconnected } from "../support/context.mjs";
import { equal, ok } from "../support/expect.mjs";
import { transports } from "./combinations.mjs";

export const connections = {
  group: "B",
  over: transports,
  cases: [
    {
      title: "the client's server timeout ends the connection with its error",
      on: ({ transport }) => transport !== "LongPolling", // has no such timer: each poll shows that the server is there
      async run(t) {
        const connection = await t.connect();
        const closed = closing(connection);
        connection.serverTimeoutInMilliseconds = 1;
        // A message starts the timer again, with the new value.
        await connection.invoke("Echo", "");
        equal(
          (await closed)?.message,
          "Server timeout elapsed without receiving a message from the server.",
          "the error of the close event",
        );
      },
    },
    {
      title: "a connection that reconnected has a new id and works",
      async run(t) {
        const connection = await t.connect("/testhub", { reconnect: true });
        const first = connection.connectionId;
        const second = await loseAndReconnect(connection);
        ok(second && second !== first, "the connection id has not changed");
        equal(connection.connectionId, second);
        equal(await connection.invoke("Echo", "again"), "again");
        await t.stop(connection);
      },
    },
    {
      title: "a base URL changed while reconnecting is where the client reconnects",
      async run(t) {
        const connection = await t.connect("/testhub?numRedirects=1", { reconnect: true });
        equal(await connection.invoke("GetNumRedirects"), 1);
        connection.onreconnecting(() => {
          connection.baseUrl = t.url("/testhub?numRedirects=2");
        });
        await loseAndReconnect(connection);
        equal(await connection.invoke("GetNumRedirects"), 2);
      },
    },
    {
      title: "a connection that the server aborts closes without error and does not reconnect",
      async run(t) {
        const connection = await t.connect("/extrahub", { reconnect: true });
        const closed = closing(connection);
        const back = reconnected(connection).then(() => "reconnected");
        // The call may or may not be answered before the end.
        connection.invoke("Abort").catch(() => {});
        equal(await Promise.race([closed, back]), undefined, "the error of the close event");
      },
    },
    {
      title: "a connection that the server aborts for a reason closes with its text and does not reconnect",
      async run(t) {
        const connection = await t.connect("/extrahub", { reconnect: true });
        const closed = closing(connection);
        const back = reconnected(connection).then(() => ({ message: "reconnected" }));
        connection.invoke("AbortFor", "you were kicked", true).catch(() => {});
        const error = await Promise.race([closed, back]);
        equal(error?.message, "Server returned an error on close: you were kicked", "the error of the close event");
      },
    },
    {
      title: "an error in OnConnected closes the connection with type and text",
      async run(t) {
        // The handshake has succeeded by then: start may win, and the close event carries the error, or lose with it.
        const connection = t.build("/uncreatable");
        const closed = closing(connection);
        const error = await connection.start().then(
          () => closed,
          (failure) => failure,
        );
        if (t.transport !== "WebSockets" && error?.message.includes("No Connection with that ID: Status code '404'")) {
          return; // the client's first ping came after the end
        }
        equal(
          error?.message,
          "Server returned an error on close: Connection closed with an error. InvalidOperationException: " +
            "Unable to resolve service for type 'System.Object' while attempting to activate 'FunctionalTests.UncreatableHub'.",
          "the error",
        );
      },
    },
  ],
};
