// The shared cases with the official client in Node.

import { after } from "node:test";
import { expand } from "./cases/index.mjs";
import { nodeEnvironment } from "./support/node.mjs";
import { report } from "./support/report.mjs";
import { startServer } from "./support/server.mjs";

process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0"; // the server's certificate is its own

const server = await startServer();
after(() => server.stop());

const environment = nodeEnvironment(server);
report("official client in Node", expand("node"), { concurrency: 8, run: (one) => one.run(environment) });
