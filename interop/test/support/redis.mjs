// Starts, stops and restarts a redis-server of the tests' own.

import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { killAtExit, temporaryFolder } from "./server.mjs";

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
 * restart, pause, resume, stop } when it answers.
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
      await ended;
    },
    restart: launch,
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    async stop() {
      child.kill("SIGCONT");
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** Resolves when the server answers PONG, which is some time after it has started. */
async function answering(port, child) {
  for (;;) {
    if (child.exitCode !== null) {
      throw new Error(`redis-server ended with ${child.exitCode}`);
    }
    const pong = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
      socket.once("data", (data) => resolve(data.toString().startsWith("+PONG")));
      socket.once("error", () => resolve(false));
      socket.once("close", () => resolve(false));
      setTimeout(() => resolve(false), 500).unref();
      socket.unref();
    });
    if (pong) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
