// A farm for the cases: server processes behind one Redis, and clients on them in Node or in Chromium.

import { launch } from "./chromium.mjs";
import { connectMember } from "./member.mjs";
import { nodeEnvironment } from "./node.mjs";
import { openPage } from "./pages.mjs";
import { interop, startServer } from "./server.mjs";
import { usualTimeout } from "./wait.mjs";

const pageTimeout = usualTimeout + 10_000; // the waits in the page say more

async function connectInNode(node, options) {
  const { id, member } = await connectMember(nodeEnvironment(node), node.httpUrl, options);
  return { id, call: (method, ...args) => member[method](...args) };
}

/** Connects a client in Node to a server, with { user, protocol }. */
export const join = async (node, options) => new Client(await connectInNode(node, options));

/** How clients are made on each platform: open(node) resolves with a function that connects one. */
const platforms = {
  node: async () => ({
    open: async (node) => (options) => connectInNode(node, options),
    async close() {},
  }),
  // The page of a node has all clients of that node.
  chromium: async () => {
    const browser = await launch();
    return {
      async open(node) {
        const page = await openPage(browser, `${node.httpUrl}/test/support/page.html`, "connectMember");
        const call = (name, ...args) => page.call(name, args, { timeout: pageTimeout });
        return async (options) => {
          const id = await call("connectMember", node.httpUrl, options);
          return { id, call: (...args) => call("callMember", id, ...args) };
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
