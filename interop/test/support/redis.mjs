// Starts, stops and restarts a redis-server of the tests' own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { killAtExit, temporaryFolder } from "./server.mjs";
import { poll, within } from "./wait.mjs";

/** A port of the loopback address that is free at the moment. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Starts a redis-server that writes everything to disk at once or, not durable, never. Resolves with { address, kill,
 * restart, pause, resume, command, stop } when it answers: command carries out a command of words.
 */
export async function startRedis({ durable = true } = {}) {
  const port = await freePort();
  const folder = temporaryFolder();
  let child;
  let ended;
  const launch = async ({ empty = false } = {}) => {
    if (empty) {
      rmSync(join(folder, "appendonlydir"), { recursive: true, force: true });
    }
    child = spawn(
      "redis-server",
      ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", durable ? "yes" : "no",
        "--appendfsync", "always", "--loglevel", "warning"],
      { stdio: "ignore" },
    );
    const started = child;
    ended = new Promise((resolve) => started.once("close", resolve));
    killAtExit(started);
    await answering(port, started);
  };
  await launch();
  return {
    address: `127.0.0.1:${port}`,
    async kill() {
      child.kill("SIGKILL");
      await within(ended, "redis-server to be killed");
    },
    restart: launch,
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    command: (...words) => within(exchange(port, words), `the reply to ${words.join(" ")}`),
    async stop() {
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      await within(ended, "redis-server to end");
    },
  };
}

/** Sends a command of words. Resolves with the beginning of the reply, as it is on the wire. */
async function exchange(port, words) {
  const socket = connect(port, "127.0.0.1");
  try {
    socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join("")}`);
    const [data] = await once(socket, "data");
    const reply = data.toString().trim();
    if (reply.startsWith("-")) {
      throw new Error(`Redis refuses ${words.join(" ")}: ${reply}`);
    }
    return reply;
  } finally {
    socket.destroy();
  }
}

/** Resolves when the server answers PONG, which is some time after it has started. */
function answering(port, child) {
  const ask = () => {
    if (child.exitCode !== null) {
      throw new Error(`redis-server ended with ${child.exitCode}`);
    }
    return new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
      socket.once("data", (data) => resolve(data.toString().trim()));
      socket.once("error", ({ message }) => resolve(message));
      socket.once("close", () => resolve("closed"));
      setTimeout(() => resolve("no response"), 500).unref();
      socket.unref();
    });
  };
  return poll(ask, "redis-server to answer PING", { accept: (answer) => answer.startsWith("+PONG"), interval: 20 });
}
