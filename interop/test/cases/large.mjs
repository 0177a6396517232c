// Large values, and what is too large (reference 6.8).

import { closing } from "../support/context.mjs";
import { equal, ok } from "../support/expect.mjs";
import { failure } from "../support/wait.mjs";
import { transportsAndProtocols } from "./combinations.mjs";

const mebibyte = 2 ** 20;

// Characters of one to four bytes, 29 bytes a line: so the borders of buffers cut through each kind.
const line = "0123456789 ünï 世界 \u{1f680}\n";
const longText = line.repeat(Math.ceil(mebibyte / 29));

const manyBytes = Uint8Array.from({ length: mebibyte }, (_, i) => (i * 31 + (i >> 8)) & 0xff);

export const large = {
  group: "X",
  over: transportsAndProtocols,
  cases: [
    {
      title: "a text of 1 MiB goes there and back",
      async run(t) {
        const connection = await t.connect("/valueshub");
        ok((await connection.invoke("EchoAny", longText)) === longText, "the text has changed");
        await t.stop(connection);
      },
    },
    {
      title: "1 MiB of bytes goes there and back",
      async run(t) {
        const connection = await t.connect("/valueshub");
        const sent = t.protocol === "json" ? base64(manyBytes) : manyBytes;
        equal(await connection.invoke("EchoBytes", sent), sent);
      },
    },
    {
      title: "a list of 100,000 numbers goes there and back",
      async run(t) {
        const connection = await t.connect("/valueshub");
        const sent = Array.from({ length: 100_000 }, (_, i) => i * 7);
        equal(await connection.invoke("EchoAny", sent), sent);
      },
    },
    {
      title: "five texts of 1 MiB at once are answered in order",
      async run(t) {
        const connection = await t.connect("/valueshub");
        const numbers = Array.from({ length: 5 }, (_, i) => i);
        const answers = await Promise.all(numbers.map((i) => connection.invoke("EchoAny", longText + i)));
        numbers.forEach((i) => ok(answers[i] === longText + i, `text ${i} has changed`));
      },
    },
    ...[
      { path: "/extrahub", limit: 32_768 },
      { path: "/valueshub", limit: 4 * mebibyte },
    ].map(({ path, limit }) => ({
      title: `a message larger than the ${limit} bytes of ${path} ends the connection with the reason`,
      async run(t) {
        const connection = await t.connect(path);
        const closed = closing(connection);
        const call = failure(connection.invoke("Add", "x".repeat(limit), 0));
        equal(
          (await closed)?.message,
          "Server returned an error on close: Connection closed with an error. InvalidDataException: " +
            `The maximum message size of ${limit} bytes was exceeded.`,
          "the error of the close event",
        );
        await call;
      },
    })),
  ],
};

function base64(data) {
  let text = "";
  for (let i = 0; i < data.length; i += 0x8000) {
    text += String.fromCharCode(...data.subarray(i, i + 0x8000));
  }
  return btoa(text);
}
