// Builds, starts and stops Go programs for the tests.

import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { within } from "./wait.mjs";

/** The folder interop. */
export const interop = fileURLToPath(new URL("../..", import.meta.url));

/** Environment variable that names a test server that is built already; run.mjs sets it. */
export const builtServer = "SIGNALR_TEST_SERVER";

/** How long a build may take, in milliseconds, with an empty cache on a busy machine. */
export const buildTimeout = 600_000;

/** Builds a Go main package of the repository into folder and returns the program's path. */
export async function build(packagePath, folder) {
  const program = join(folder, process.platform === "win32" ? "program.exe" : "program");
  const built = promisify(execFile)("go", ["build", "-o", program, packagePath], { cwd: join(interop, "..") });
  await within(built, `go build ${packagePath}`, { timeout: buildTimeout });
  return program;
}

/** A temporary folder that is gone when this process ends. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "signalr-interop-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const longestLog = 1_000_000; // characters that are kept

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => process.exit(1)); // so that the above runs
}

/** Makes sure that a program does not outlive this process. */
export function killAtExit(child) {
  running.add(child);
  child.once("close", () => running.delete(child));
}

let built;

/**
 * Starts the test server with further flags. Resolves with { httpUrl, httpsUrl, logOf, stop, kill, pause, resume } when it is
 * ready: logOf returns the newest lines of its log that contain a text, `most` of them.
 */
export async function startServer(...flags) {
  built ??= process.env[builtServer] ?? build("./interop/server", temporaryFolder());
  const { line, log, ...controls } = await start(await built, flags);
  const [httpsUrl, httpUrl] = line.replace(/^SERVER_URL=/, "").split(";");
  const logOf = (text, most = 50) => log().split("\n").filter((line) => line.includes(text)).slice(-most).join("\n");
  return { httpsUrl, httpUrl, logOf, ...controls };
}

/**
 * Starts a program. Resolves with its first line on standard output and a function stop, which asks it to end and
 * rejects unless it does so by itself with exit code 0, and functions kill, pause and resume; that of kill resolves when
 * it has ended. Its standard error is shown when SERVER_LOG is set, and in the message when it fails.
 */
export async function start(program, args = []) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  killAtExit(child);
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    log = (log + text).slice(-longestLog);
    if (process.env.SERVER_LOG) {
      process.stderr.write(text);
    }
  });
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(signal ?? code));
  });
  const failure = (what) => new Error(`${what}; its log:\n${log.slice(-10_000)}`);
  const seen = () => log.slice(-10_000);
  const first = Promise.race([
    new Promise((resolve) => createInterface(child.stdout).once("line", resolve)),
    ended.then((code) => Promise.reject(failure(`the server ended with ${code} before it was ready`))),
  ]);
  const line = await within(first, "the first line of the server", { seen });
  return {
    line,
    log: () => log,
    kill() {
      child.kill("SIGKILL");
      return within(ended, "the server to be killed");
    },
    pause: () => child.kill("SIGSTOP"),
    resume: () => child.kill("SIGCONT"),
    async stop() {
      child.kill("SIGTERM");
      const code = await within(ended, "the server to end", { seen });
      if (code !== 0) {
        throw failure(`the server ended with ${code}`);
      }
    },
  };
}
