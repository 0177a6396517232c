// What clients see of a server that stops and of one that takes its place.

import { after, test } from "node:test";
import { pending } from "./cases/pending.mjs";
import { closing, reconnected, reconnecting } from "./support/context.mjs";
import { equal, ok } from "./support/expect.mjs";
import { nodeEnvironment } from "./support/node.mjs";
import { startServer } from "./support/server.mjs";
import { boundMethods, failure } from "./support/wait.mjs";

const limit = { timeout: 90_000 };
const address = (url) => new URL(url).host;

function build(server, retry) {
  const { signalR } = nodeEnvironment(server);
  const builder = new signalR.HubConnectionBuilder()
    .configureLogging(signalR.LogLevel.None)
    .withUrl(`${server.httpUrl}/testhub`);
  const connection = (retry ? builder.withAutomaticReconnect(retry) : builder).build();
  boundMethods(connection, "/testhub", "start", "invoke", "stop");
  return connection;
}

test("clients of a server that stops reconnect to the one that takes its place", limit, async () => {
  let server = await startServer();
  const connections = Array.from({ length: 5 }, () => build(server, { nextRetryDelayInMilliseconds: () => 50 }));
  await Promise.all(connections.map((connection) => connection.start()));
  const ids = connections.map((connection) => connection.connectionId);
  const lost = Promise.all(connections.map(reconnecting));
  const back = Promise.all(connections.map(reconnected));

  await server.stop(); // checks the exit code, with connections open
  // An error here would be a broken socket: undefined means that the server said goodbye first.
  equal(await lost, connections.map(() => undefined), "the errors of the reconnecting events");

  server = await startServer("-http", address(server.httpUrl), "-https", address(server.httpsUrl));
  after(() => server.stop());
  for (const [i, id] of (await back).entries()) {
    ok(id !== ids[i], "the connection id has not changed");
    equal(await connections[i].invoke("Echo", "again"), "again");
    await connections[i].stop();
  }
});

test("without automatic reconnect a client of a server that stops closes without error", limit, async () => {
  const server = await startServer();
  const connection = build(server);
  await connection.start();
  const closed = closing(connection);
  await server.stop();
  equal(await closed, undefined, "the error of the close event");
});

test("a call that is under way when the server stops is rejected", { ...limit, skip: pending.streams }, async () => {
  const server = await startServer();
  const connection = build(server);
  await connection.start();
  const call = failure(connection.invoke("StreamingConcat", new (nodeEnvironment(server).signalR.Subject)()));
  await connection.invoke("Echo", ""); // the first call has begun
  await server.stop();
  await call;
});
