// Group F of contract 8: the client inside a web worker.

import { equal } from "../support/expect.mjs";
import { within } from "../support/wait.mjs";
import { once } from "./combinations.mjs";

export const worker = {
  group: "F",
  over: once,
  cases: [
    {
      title: "a client in a web worker calls invokeWithString, in lower-first casing, and is called back",
      on: "chromium",
      async run(t) {
        const inside = new Worker(new URL("../support/worker.js", import.meta.url));
        try {
          const answer = new Promise((resolve, reject) => {
            inside.onmessage = ({ data }) => resolve(data);
            inside.onerror = (event) => reject(new Error(event.message));
          });
          inside.postMessage({ url: t.url("/testhub"), text: "from a worker" });
          equal(await within(answer, "the answer of the worker"), { received: "from a worker" });
        } finally {
          inside.terminate();
        }
      },
    },
  ],
};
