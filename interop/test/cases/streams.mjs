// Streams in both directions that are long, large, many, cancelled or failing (reference 6.4, 6.5).

import { called, collect } from "../support/context.mjs";
import { equal, ok, rejects } from "../support/expect.mjs";
import { within } from "../support/wait.mjs";
import { transportsAndProtocols } from "./combinations.mjs";

const numbers = (count, factor = 1) => Array.from({ length: count }, (_, i) => factor * i);
const failedInvoking = (method, detail) => `An unexpected error occurred invoking '${method}' on the server. ${detail}`;
const failedStreaming = (detail) => `An error occurred on the server while streaming results. ${detail}`;

const fromServer = [
  ...["Count", "CountInChannel"].map((method) => ({
    title: `10,000 items of ${method} arrive in order`,
    async run(t) {
      const connection = await t.connect("/streamshub");
      equal(await collect(connection.stream(method, 10_000)), numbers(10_000));
    },
  })),
  {
    title: "20 streams at once arrive each in order, and a call is answered meanwhile",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const streams = numbers(20).map((i) => collect(connection.stream("Count", 100 + i)));
      equal(await connection.invoke("Add", 1, 2), 3);
      equal(await Promise.all(streams), numbers(20).map((i) => numbers(100 + i)));
    },
  },
  {
    title: "two streams without end do not hold up each other or calls",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const [one, two] = [1, 2].map(() => takeItems(connection.stream("CountForever"), 100));
      await one.taken;
      await two.taken;
      equal(await connection.invoke("Add", 1, 2), 3);
      one.dispose();
      two.dispose();
    },
  },
  {
    title: "a stream cancelled half way ends on the server and yields nothing more",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const ended = called(connection, "Stopped");
      const half = takeItems(connection.stream("CountForever"), 50);
      equal((await half.taken).slice(0, 50), numbers(50));
      half.dispose();
      const seen = half.seen.length;
      const [yielded] = await ended;
      ok(yielded >= seen, `the server yielded ${yielded} items, the client has seen ${seen}`);
      equal(await connection.invoke("Add", 1, 2), 3); // whatever was under way is here by now
      equal(half.seen.length, seen, "the number of items after the cancel");
      equal(half.ends, [], "how the stream ended for its subscriber");
      await t.stop(connection);
    },
  },
  {
    title: "an error half way arrives after the items before it",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const stream = takeItems(connection.stream("CountThenFail", 5, "no more"), 5);
      await stream.taken;
      await stream.ended;
      equal(stream.seen, numbers(5));
      equal(stream.ends, [failedStreaming("HubException: no more")]);
      equal(await connection.invoke("Add", 1, 2), 3);
    },
  },
  {
    title: "20 items of 100,000 characters arrive whole and in order",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const texts = await collect(connection.stream("Texts", 20, 100_000));
      equal(texts.length, 20);
      texts.forEach((text, i) => ok(text === letter(i).repeat(100_000), `item ${i} has changed`));
    },
  },
];

const toServer = [
  ...[
    { method: "Collect", count: 1000 },
    { method: "CollectFromChannel", count: 100 },
  ].map(({ method, count }) => ({
    title: `${count} items uploaded to ${method} arrive in order`,
    async run(t) {
      const connection = await t.connect("/streamshub");
      const upload = new t.signalR.Subject();
      const result = connection.invoke(method, upload);
      send(upload, numbers(count));
      equal(await result, numbers(count));
    },
  })),
  {
    title: "an upload without items is an empty stream",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const upload = new t.signalR.Subject();
      const result = connection.invoke("Collect", upload);
      send(upload, []);
      equal(await result, []);
    },
  },
  {
    title: "items of 30,000 characters are uploaded whole and in order",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const upload = new t.signalR.Subject();
      const result = connection.invoke("Lengths", upload);
      const lengths = numbers(20).map((i) => 30_000 - i);
      send(upload, lengths.map((length) => "x".repeat(length)));
      equal(await result, lengths);
    },
  },
  {
    title: "two uploads of one call, with a plain argument between them, do not mix",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const [names, values] = [new t.signalR.Subject(), new t.signalR.Subject()];
      const sent = sending(connection, 1 + 4 + 4);
      const result = connection.invoke("Zip", names, "plain", values);
      // The second stream is ahead of the first, then behind.
      values.next(1);
      values.next(2);
      names.next("one");
      names.next("two");
      names.next("three");
      names.complete();
      values.next(3);
      values.complete();
      equal(await result, [
        { Prefix: "plain", Name: "one", Number: 1 },
        { Prefix: "plain", Name: "two", Number: 2 },
        { Prefix: "plain", Name: "three", Number: 3 },
      ]);
      await sent;
    },
  },
  {
    title: "two uploads of two calls do not mix",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const [one, two] = [new t.signalR.Subject(), new t.signalR.Subject()];
      const results = [connection.invoke("Collect", one), connection.invoke("Collect", two)];
      for (const i of numbers(100)) {
        two.next(3 * i);
        one.next(i);
      }
      two.complete();
      one.complete();
      equal(await Promise.all(results), [numbers(100), numbers(100, 3)]);
    },
  },
  {
    title: "an upload that fails half way fails the call with its error, in each kind of stream",
    async run(t) {
      const connection = await t.connect("/streamshub");
      for (const method of ["Collect", "CollectFromChannel"]) {
        const upload = new t.signalR.Subject();
        const result = connection.invoke(method, upload);
        upload.next(1);
        upload.error("Something bad");
        await rejects(result, failedInvoking(method, "HubException: Something bad"));
      }
      equal(await connection.invoke("Add", 1, 2), 3);
    },
  },
  {
    title: "an item of a wrong type fails its stream and not the connection",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const upload = new t.signalR.Subject();
      const sent = sending(connection, 1 + 4);
      const result = connection.invoke("Collect", upload);
      upload.next(1);
      upload.next("two");
      await rejects(result, /^An unexpected error occurred invoking 'Collect' on the server\. InvalidDataException: Failed to bind Stream message\. Argument 1 \(int\): .+$/);
      upload.next(3); // for nobody
      upload.complete();
      await sent;
      equal(await connection.invoke("Add", 1, 2), 3);
    },
  },
  {
    title: "a method may leave the rest of an upload",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const upload = new t.signalR.Subject();
      const sent = sending(connection, 1 + 101);
      const result = connection.invoke("CollectFirst", 3, upload);
      send(upload, numbers(100));
      equal(await result, numbers(3));
      await sent;
      equal(await connection.invoke("Add", 1, 2), 3);
    },
  },
  {
    title: "a call without its stream is refused",
    async run(t) {
      const connection = await t.connect("/streamshub");
      await rejects(
        connection.invoke("Collect"),
        failedInvoking("Collect", "HubException: Client sent 0 stream(s), Hub method expects 1."),
      );
      equal(await connection.invoke("Add", 1, 2), 3);
    },
  },
];

const both = [
  {
    title: "each item of a duplex stream is answered before the next is sent",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const upload = new t.signalR.Subject();
      const answers = [];
      const done = new Promise((resolve, reject) => {
        connection.stream("Double", upload).subscribe({
          next(answer) {
            answers.push(answer);
            if (answers.length < 50) {
              upload.next(answers.length);
            } else {
              upload.complete();
            }
          },
          error: reject,
          complete: resolve,
        });
        upload.next(0);
      });
      await within(done, "the end of the stream", { seen: () => answers.at(-1) });
      equal(answers, numbers(50, 2));
    },
  },
  {
    title: "200 items go through a duplex stream in order",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const upload = new t.signalR.Subject();
      const result = collect(connection.stream("Double", upload));
      send(upload, numbers(200));
      equal(await result, numbers(200, 2));
    },
  },
  {
    title: "the error of a duplex stream's upload ends the stream after the items before it",
    async run(t) {
      const connection = await t.connect("/streamshub");
      const upload = new t.signalR.Subject();
      const stream = takeItems(connection.stream("Double", upload), 2);
      upload.next(1);
      upload.next(2);
      upload.error("Something bad");
      await stream.ended;
      equal(stream.seen, [2, 4]);
      equal(stream.ends, [failedStreaming("HubException: Something bad")]);
    },
  },
];

export const streams = {
  group: "X",
  over: transportsAndProtocols,
  cases: [...fromServer, ...toServer, ...both],
};

const letter = (i) => String.fromCharCode("a".charCodeAt(0) + i);

/** Uploads all items and completes. */
function send(upload, items) {
  items.forEach((item) => upload.next(item));
  upload.complete();
}

/**
 * Resolves when the connection has sent `count` messages from now on. The client sends an upload message by message, also
 * after its call has ended, and a connection that is stopped meanwhile leaves it with rejections that nobody handles.
 */
function sending(connection, count) {
  const raw = connection.connection;
  const send = raw.send.bind(raw);
  const sent = new Promise((resolve) => {
    raw.send = async (data) => {
      await send(data);
      count--;
      if (count === 0) {
        resolve();
      }
    };
  });
  return within(sent, "all messages to be sent", { seen: () => `${count} left` });
}

/**
 * Subscribes to a stream: `seen` grows by its items, `ends` by how it ends (an error's message or "complete"). `taken`
 * resolves with what is seen when that is at least `count` items, `ended` resolves at the end.
 */
function takeItems(stream, count) {
  const [seen, ends] = [[], []];
  let subscription;
  let end;
  const ended = new Promise((resolve) => {
    end = (how) => {
      ends.push(how);
      resolve();
    };
  });
  const taken = new Promise((resolve, reject) => {
    subscription = stream.subscribe({
      next(item) {
        seen.push(item);
        if (seen.length === count) {
          resolve(seen);
        }
      },
      error(error) {
        end(error.message);
        reject(error);
      },
      complete() {
        end("complete");
        reject(new Error(`the stream has only ${seen.length} items`));
      },
    });
  });
  const soFar = { seen: () => ({ count: seen.length, ends }) };
  return {
    seen,
    ends,
    taken: within(taken, `${count} items of the stream`, soFar),
    ended: within(ended, "the end of the stream", soFar),
    dispose: () => subscription.dispose(),
  };
}
