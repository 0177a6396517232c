// A farm for the cases: server processes behind one Redis, and clients on them in Node or in Chromium.

import { launch } from "./chromium.mjs";
import { connectMember } from "./member.mjs";
import { nodeEnvironment } from "./node.mjs";
import { interop, startServer } from "./server.mjs";

/** How clients are made on each platform: open(node) resolves with a function that connects one. */
const platforms = {
  node: async () => ({
    async open(node) {
      return async (options) => {
        const { id, member } = await connectMember(nodeEnvironment(node), node.httpUrl, options);
        return { id, call: (method, ...args) => member[method](...args) };
      };
    },
    async close() {},
  }),
  // The page of a node has all clients of that node.
  chromium: async () => {
    const browser = await launch();
    return {
      async open(node) {
        const page = await (await browser.newContext()).newPage();
        await page.goto(`${node.httpUrl}/test/support/page.html`);
        await page.waitForFunction("window.connectMember");
        return async (options) => {
          const id = await page.evaluate((args) => window.connectMember(...args), [node.httpUrl, options]);
          return { id, call: (...args) => page.evaluate((args) => window.callMember(...args), [id, ...args]) };
        };
      },
      close: () => browser.close(),
    };
  },
};

/** Resolves with a farm without nodes, whose clients are on a platform. */
export async function startFarm(platform) {
  const clients = await platforms[platform]();
  const nodes = new Set();
  return {
    /** Starts a node with flags of the test server. It resolves with { join, kill, stop }. */
    async startNode(...flags) {
      const server = await startServer("-static", interop, ...flags);
      const connect = await clients.open(server);
      const node = {
        url: server.httpUrl,
        /** Connects a client with { user, protocol }. */
        join: async (options = {}) => new Client(await connect(options)),
        kill() {
          nodes.delete(node);
          server.kill();
        },
        async stop() {
          nodes.delete(node);
          await server.stop();
        },
      };
      nodes.add(node);
      return node;
    },
    async close() {
      await clients.close();
      await Promise.all([...nodes].map((node) => node.stop()));
    },
  };
}

/** A client, as the cases see it. */
class Client {
  #call;

  constructor({ id, call }) {
    this.id = id;
    this.#call = call;
  }

  /** Resolves with the result of a hub method. */
  async invoke(...args) {
    const { value, error } = await this.#call("invoke", ...args);
    if (error !== undefined) {
      throw new Error(error);
    }
    return value;
  }

  /** Resolves with the text of the error of a hub method, undefined if there is none. */
  async failure(...args) {
    return (await this.#call("invoke", ...args)).error;
  }

  /** Resolves with the texts heard since the first `from`. */
  heard(from = 0) {
    return this.#call("heard", from);
  }

  /** Resolves with how often a text was heard. */
  async times(text) {
    return (await this.heard()).filter((one) => one === text).length;
  }

  until(text) {
    return this.#call("until", text);
  }

  answer(how) {
    return this.#call("answer", how);
  }

  asked() {
    return this.#call("asked");
  }

  closed() {
    return this.#call("closed");
  }

  stop() {
    return this.#call("stop");
  }
}
