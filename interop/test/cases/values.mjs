// Values of every kind, by every way between client and server: what comes back is equal, and the same in both protocols
// but for bytes and instants, which only MessagePack has (reference 4.2, 5.3).

import { called, collect } from "../support/context.mjs";
import { equal, notBound, rejects } from "../support/expect.mjs";
import { transportsAndProtocols } from "./combinations.mjs";

const texts = [
  "",
  "ünï 世界 ελληνικά العربية",
  "\u{1f680}\u{10ffff} \u{1f468}\u200d\u{1f469}\u200d\u{1f467}", // pairs of surrogates, and some joined to one picture
  "\u0000\u0001\u0008\u001e\u001f\u007f\u0080\u2028\u2029\ufeff",
  "\" \\ / ' < > & + \r \n \r\n \t",
  "{\"type\":7}\u001e",
];

const integers = [
  0, 1, -1, 127, 128, 255, 256, -32, -33, -128, -129, 65535, 65536, -32769, 2 ** 31, 2 ** 32, -(2 ** 31) - 1,
];
const safe = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 52 + 1];
const reals = [0.1, -2.5, 1e-7, 1e21, 1e300, 5e-324, Number.MAX_VALUE, 2 ** 53 + 2, 1e20];

const instants = [
  "1970-01-01T00:00:00.000Z",
  "1970-01-01T00:00:00.001Z",
  "1969-12-31T23:59:59.999Z",
  "1900-02-28T12:00:00.250Z",
  "0001-01-01T00:00:00.000Z",
  "2002-04-01T10:20:15.120Z",
  "2038-01-19T03:14:08.000Z",
  "2106-02-07T06:28:16.000Z", // the first that is no 32-bit timestamp
  "2514-05-30T01:53:04.000Z", // the first that is no 64-bit timestamp
  "9999-12-31T23:59:59.999Z",
];

// Null in every position; the ways below add to this argument, result, item and answer.
const nulls = [null, [null], [1, null, 3], { a: null }, { a: null, b: { c: null, d: [null, { e: null }] } }, [[null], {}]];

const nested = [
  [],
  {},
  [[], {}, [[[]]]],
  { a: { b: { c: [1, { d: "e" }, [true, false]] } } },
  { "": 1, " ": 2, "ключ": 3, "\u{1f511}": 4, "a b.c/d\"e": 5, A: 6, a: 7 },
  Array.from({ length: 100 }, (_, i) => ({ [`key ${i}`]: [i, `${i}`, null] })),
];

const plain = [...texts, ...integers, ...safe, ...reals, true, false, ...nulls, ...nested];

/** What can be said in one protocol alone. */
const ownValues = {
  json: [],
  messagepack: [
    new Uint8Array([0, 1, 127, 128, 255]),
    [new Uint8Array(0)],
    { bytes: new Uint8Array(300) },
    ...instants.map((text) => new Date(text)),
    { at: [new Date(instants[2])] },
  ],
};

// How a value travels there and back. Each takes all values and resolves with all answers.
const ways = [
  {
    title: "as argument and result",
    go: (connection, values) => Promise.all(values.map((value) => connection.invoke("EchoAny", value))),
  },
  {
    title: "as argument of a client method",
    async go(connection, values) {
      const received = [];
      connection.on("Value", (value) => {
        received.push(value);
      });
      await Promise.all(values.map((value) => connection.invoke("SendAny", value)));
      return received;
    },
  },
  {
    title: "as answer of a client result",
    go(connection, values) {
      connection.on("Value", (value) => value);
      return Promise.all(values.map((value) => connection.invoke("AskAny", value)));
    },
  },
  {
    title: "as items of a stream from the server",
    go: (connection, values) => collect(connection.stream("StreamAny", values)),
  },
  {
    title: "as items of a stream to the server",
    go(connection, values, { signalR }) {
      const upload = new signalR.Subject();
      const result = connection.invoke("CollectAny", upload);
      values.forEach((value) => upload.next(value));
      upload.complete();
      return result;
    },
  },
];

export const values = {
  group: "X",
  over: transportsAndProtocols,
  cases: [
    ...ways.map(({ title, go }) => ({
      title: `values of every kind come back equal ${title}`,
      async run(t) {
        const connection = await t.connect("/valueshub");
        const sent = [...plain, ...ownValues[t.protocol]];
        const received = await go(connection, sent, t);
        equal(received.length, sent.length, "the number of values");
        sent.forEach((value, i) => equal(received[i], value, `value ${i}`));
      },
    })),
    {
      title: "an object with members of every kind comes back equal",
      async run(t) {
        const connection = await t.connect("/valueshub");
        for (const sent of [object(t), emptyObject(t)]) {
          equal(await connection.invoke("Echo", sent), sent);
        }
      },
    },
    {
      title: "null becomes null in members that can be null, and zero in others",
      async run(t) {
        const connection = await t.connect("/valueshub");
        const sent = Object.fromEntries(Object.keys(emptyObject(t)).map((name) => [name, null]));
        equal(await connection.invoke("Echo", sent), emptyObject(t));
        equal(await connection.invoke("Echo", null), emptyObject(t));
        equal(await connection.invoke("Echo", {}), emptyObject(t));
      },
    },
    {
      title: "null is null as typed argument, element and map value",
      async run(t) {
        const connection = await t.connect("/valueshub");
        equal(await connection.invoke("EchoNested", null), null);
        equal(await connection.invoke("EchoNested", { Name: "a", Inner: null }), { Name: "a", Inner: null });
        equal(await connection.invoke("EchoBytes", null), null);
        const { List, ByName } = await connection.invoke("Echo", { List: [null, { Name: "b" }], ByName: { c: null } });
        equal(List, [null, { Name: "b", Inner: null }]);
        equal(ByName, { c: null });
      },
    },
    {
      title: "undefined arrives as null",
      async run(t) {
        const connection = await t.connect("/valueshub");
        equal(await connection.invoke("EchoAny", undefined), null);
        equal(await connection.invoke("EchoAny", [undefined, 1]), [null, 1]);
      },
    },
    {
      title: "names of members match in any casing in JSON, and exactly in MessagePack",
      async run(t) {
        const connection = await t.connect("/valueshub");
        const sent = { name: "lower", inner: { NAME: "upper" } };
        const expected = {
          json: { Name: "lower", Inner: { Name: "upper", Inner: null } },
          messagepack: { Name: "", Inner: null },
        };
        equal(await connection.invoke("EchoNested", sent), expected[t.protocol]);
      },
    },
    {
      title: "members that the server does not know are ignored",
      async run(t) {
        const connection = await t.connect("/valueshub");
        const sent = { Name: "known", Unknown: { a: [1, null] }, Inner: null };
        equal(await connection.invoke("EchoNested", sent), { Name: "known", Inner: null });
      },
    },
    {
      title: "bytes are base64 in JSON and a Uint8Array in MessagePack",
      async run(t) {
        const connection = await t.connect("/valueshub");
        for (const list of [[], [0], [0xfb, 0xff, 0xfe], Array.from({ length: 256 }, (_, i) => i)]) {
          const sent = bytes(t, list);
          equal(await connection.invoke("EchoBytes", sent), sent);
        }
      },
    },
    {
      title: "instants keep their milliseconds, before 1970 as after",
      async run(t) {
        const connection = await t.connect("/valueshub");
        for (const text of instants) {
          const sent = new Date(text);
          equal(await connection.invoke("FormatTime", sent), withoutZeros(text));
          const received = await connection.invoke("EchoTime", sent);
          equal(received, t.protocol === "json" ? withoutZeros(text) : sent);
          equal(new Date(received), sent);
        }
      },
    },
    {
      title: "integers up to 2^53 arrive exactly",
      async run(t) {
        const connection = await t.connect("/valueshub");
        for (const number of [...integers, ...safe]) {
          equal(await connection.invoke("FormatInt", number), `${number}`);
          equal(await connection.invoke("ParseInt", `${number}`), number);
          if (number >= 0) {
            equal(await connection.invoke("FormatUint", number), `${number}`);
            equal(await connection.invoke("ParseUint", `${number}`), number);
          }
        }
      },
    },
    {
      title: "integers beyond 2^53 reach the client as the nearest number",
      async run(t) {
        const connection = await t.connect("/valueshub");
        for (const text of ["9007199254740993", "-9007199254740993", "9223372036854775807", "-9223372036854775808"]) {
          equal(await connection.invoke("ParseInt", text), Number(text));
        }
        for (const text of ["9007199254740993", "9223372036854775808", "18446744073709551615"]) {
          equal(await connection.invoke("ParseUint", text), Number(text));
        }
      },
    },
    {
      // The client writes them as integers in JSON and as floats in MessagePack.
      title: "integers beyond 2^53 from the client are exact, out of range they are refused",
      async run(t) {
        const connection = await t.connect("/valueshub");
        equal(await connection.invoke("FormatInt", 2 ** 53 + 2), "9007199254740994");
        equal(await connection.invoke("FormatInt", -(2 ** 54)), "-18014398509481984");
        equal(await connection.invoke("FormatUint", 2 ** 54 + 4), "18014398509481988");
        await rejects(connection.invoke("FormatInt", 2 ** 63), notBound("FormatInt", 1, "int64"));
        await rejects(connection.invoke("FormatUint", 2 ** 65), notBound("FormatUint", 1, "uint64"));
      },
    },
    ...[
      ["a fraction", "FormatInt", 1.5, "int64"],
      ["a text", "FormatInt", "1", "int64"],
      ["a negative number", "FormatUint", -1, "uint64"],
      ["an array", "EchoTime", [0, 0], "time.Time"],
      ["a text", "EchoTime", "yesterday", "time.Time"],
    ].map(([what, method, argument, type]) => ({
      title: `${what} does not bind to the parameter of ${method}`,
      async run(t) {
        const connection = await t.connect("/valueshub");
        await rejects(connection.invoke(method, argument), notBound(method, 1, type));
      },
    })),
  ],
};

/** Bytes as the client of either protocol gives and takes them. */
const bytes = (t, list) => (t.protocol === "json" ? btoa(String.fromCharCode(...list)) : new Uint8Array(list));

/** An instant as the client of either protocol takes it. */
const instant = (t, text) => (t.protocol === "json" ? withoutZeros(text) : new Date(text));

/** The JSON form has no zeros at the end of the seconds. */
const withoutZeros = (text) => text.replace(/\.?0*Z$/, "Z");

function object(t) {
  return {
    Text: texts[2],
    Integer: -5,
    Natural: Number.MAX_SAFE_INTEGER,
    Real: -0.5,
    Flag: true,
    Bytes: bytes(t, [1, 2, 255]),
    Instant: instant(t, "1969-07-20T20:17:40.123Z"),
    Anything: { list: [1, "two", null, { three: 3.5 }] },
    Numbers: [1, -2, 70000],
    Words: { en: "hello", "日本": "こんにちは" },
    Pointer: 7,
    Nested: { Name: "outer", Inner: { Name: "inner", Inner: null } },
    List: [{ Name: "first", Inner: null }, null],
    ByName: { one: { Name: "1", Inner: null }, none: null },
    Moment: instant(t, "2000-01-01T00:00:00.000Z"),
    "a name of its own": "kept",
    Optional: "there",
  };
}

function emptyObject(t) {
  return {
    Text: "",
    Integer: 0,
    Natural: 0,
    Real: 0,
    Flag: false,
    Bytes: null,
    Instant: instant(t, "0001-01-01T00:00:00.000Z"),
    Anything: null,
    Numbers: null,
    Words: null,
    Pointer: null,
    Nested: { Name: "", Inner: null },
    List: null,
    ByName: null,
    Moment: null,
    "a name of its own": "",
  };
}
