// Group A of contract 8: calls, streams and client results on TestHub.

import { called, closing, collect } from "../support/context.mjs";
import { equal, rejects } from "../support/expect.mjs";
import { transportsAndProtocols } from "./combinations.mjs";

const text = "Hello 世界 \u0001\u001e\u{1f680} ünï";
const failed = (method, detail) => `An unexpected error occurred invoking '${method}' on the server. ${detail}`;

export const hub = {
  group: "A",
  over: transportsAndProtocols,
  cases: [
    {
      title: "invoke returns non-ASCII text unchanged, and the connection closes without error",
      schemes: ["http", "https"],
      async run(t) {
        const connection = await t.connect();
        equal(await connection.invoke("Echo", text), text);
        await t.stop(connection);
      },
    },
    {
      title: "send gets no answer, and the connection closes without error right after",
      async run(t) {
        const connection = await t.connect();
        await connection.send("SendCustomObject", { Name: "sent", Value: 1 });
        await t.stop(connection);
      },
    },
    {
      title: "SendCustomObject reaches the client method with both members",
      async run(t) {
        const connection = await t.connect();
        const received = called(connection, "CustomObject");
        await connection.invoke("SendCustomObject", { Name: "test", Value: 42 });
        equal(await received, [{ Name: "test", Value: 42 }]);
      },
    },
    {
      title: "Stream yields a, b, c and completes",
      needs: ["streams"],
      async run(t) {
        const connection = await t.connect();
        equal(await collect(connection.stream("Stream")), ["a", "b", "c"]);
        await t.stop(connection);
      },
    },
    {
      title: "disposing InfiniteStream at once cancels it on the server, without a stream error",
      needs: ["streams"],
      async run(t) {
        const connection = await t.connect();
        const cancelled = called(connection, "StreamCanceled");
        const seen = [];
        connection
          .stream("InfiniteStream")
          .subscribe({
            next: (item) => seen.push(["next", item]),
            error: (error) => seen.push(["error", error.message]),
            complete: () => seen.push(["complete"]),
          })
          .dispose();
        equal(await cancelled, []);
        equal(seen, []);
        await t.stop(connection);
      },
    },
    {
      title: "an error of a method rejects the call with type and text",
      async run(t) {
        const connection = await t.connect();
        await rejects(
          connection.invoke("ThrowException", "An error occurred."),
          failed("ThrowException", "InvalidOperationException: An error occurred."),
        );
        equal(await connection.invoke("Echo", "still here"), "still here");
      },
    },
    ...["EmptyStream", "Stream"].map((method) => ({
      title: `invoking the streaming method ${method} is refused`,
      needs: ["streams"],
      async run(t) {
        const connection = await t.connect();
        await rejects(
          connection.invoke(method),
          `The client attempted to invoke the streaming '${method}' method with a non-streaming invocation.`,
        );
      },
    })),
    {
      title: "an error before a stream begins ends the stream with type and text",
      needs: ["streams"],
      async run(t) {
        const connection = await t.connect();
        await rejects(
          collect(connection.stream("StreamThrowException", "An error occurred.")),
          failed("StreamThrowException", "InvalidOperationException: An error occurred."),
        );
      },
    },
    {
      title: "streaming the plain method Echo is refused",
      async run(t) {
        const connection = await t.connect();
        await rejects(
          collect(connection.stream("Echo", "42")),
          "The client attempted to invoke the non-streaming 'Echo' method with a streaming invocation.",
        );
      },
    },
    {
      title: "InvokeWithString calls the handler, registered in any casing, no later than it completes",
      async run(t) {
        const connection = await t.connect();
        const received = [];
        connection.on("mEsSaGe", (value) => received.push(value));
        await connection.invoke("InvokeWithString", text);
        equal(received, [text]);
      },
    },
    {
      title: "one connection object starts and stops twice, each time without error",
      async run(t) {
        const connection = t.build("/testhub");
        const closed = [];
        connection.onclose((error) => closed.push(error));
        for (const round of ["first", "second"]) {
          await connection.start();
          equal(await connection.invoke("Echo", round), round);
          const ended = closing(connection);
          await connection.stop();
          await ended;
        }
        equal(closed, [undefined, undefined]);
      },
    },
    {
      title: "EchoComplexObject returns an equal object",
      async run(t) {
        const connection = await t.connect();
        const sent = complexObject(t, {
          String: text,
          IntArray: [1, 2, 3, 255, -1, 70000],
          bytes: { json: "aGVsbG8=", messagepack: new Uint8Array([0x68, 0x65, 0x6c, 0x6c, 0x6f]) },
          instant: "2002-04-01T10:20:15Z",
        });
        equal(await connection.invoke("EchoComplexObject", sent), sent);
      },
    },
    {
      title: "SendComplexObject returns the fixed object",
      async run(t) {
        const connection = await t.connect();
        equal(
          await connection.invoke("SendComplexObject"),
          complexObject(t, {
            String: "hello world",
            IntArray: [1, 2, 3],
            bytes: { json: "AQID", messagepack: new Uint8Array([1, 2, 3]) },
            instant: "2000-01-01T00:00:00Z",
          }),
        );
      },
    },
    {
      title: "StreamingConcat receives three uploaded items",
      needs: ["streams"],
      async run(t) {
        const connection = await t.connect();
        const upload = new t.signalR.Subject();
        const result = connection.invoke("StreamingConcat", upload);
        ["Hello ", "world", "!"].forEach((item) => upload.next(item));
        upload.complete();
        equal(await result, "Hello world!");
      },
    },
    {
      title: "an upload that ends in an error fails the method with it",
      needs: ["streams"],
      async run(t) {
        const connection = await t.connect();
        const upload = new t.signalR.Subject();
        const result = connection.invoke("StreamingConcat", upload);
        upload.next("Hello ");
        upload.error("Something bad");
        await rejects(result, failed("StreamingConcat", "HubException: Something bad"));
      },
    },
    {
      title: "a client result arrives at the server",
      needs: ["clientResults"],
      run: (t) => clientResult(t, () => 10, "10"),
    },
    {
      title: "an error of a client's handler arrives at the server",
      needs: ["clientResults"],
      run: (t) =>
        clientResult(
          t,
          () => {
            throw new Error("from callback");
          },
          "Error: from callback",
        ),
    },
    {
      title: "a client without a handler says so",
      needs: ["clientResults"],
      run: (t) => clientResult(t, undefined, "Client didn't provide a result."),
    },
  ],
};

async function clientResult(t, handler, expected) {
  const connection = await t.connect();
  if (handler) {
    connection.on("Result", handler);
  }
  equal(await t.get(`/clientresult/${connection.connectionId}`), expected);
}

/** The object as the client of either protocol gives and takes it. */
function complexObject(t, { String, IntArray, bytes, instant }) {
  return {
    String,
    IntArray,
    ByteArray: bytes[t.protocol],
    Guid: "00010203-0405-0607-0706-050403020100",
    DateTime: t.protocol === "json" ? instant : new Date(instant),
  };
}
