// Runs the tests: node test/run.mjs [--repeat N] [--load N] [part ...] [--test-...]
//
// A part is a file's name without .test.mjs; without parts all run, one after another. --load N keeps so many processes
// busy meanwhile. Arguments that begin with --test- go to node, such as --test-name-pattern=Stream. REPEAT=N does the same
// as --repeat N.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pending } from "./cases/pending.mjs";
import { build, builtServer, interop, killAtExit, temporaryFolder } from "./support/server.mjs";
import { limitVariable, quote } from "./support/summary.mjs";

const folder = join(interop, "test");
const options = { repeat: Number(process.env.REPEAT ?? 1), load: 0, parts: [], node: [] };
const args = process.argv.slice(2);
while (args.length > 0) {
  const arg = args.shift();
  if (arg === "--repeat" || arg === "--load") {
    options[arg.slice(2)] = Number(args.shift());
  } else if (arg.startsWith("--test-")) {
    options.node.push(arg);
  } else {
    options.parts.push(arg);
  }
}
if (!(options.repeat >= 1)) {
  fail("--repeat needs a number of at least 1");
}
if (!(options.load >= 0)) {
  fail("--load needs the number of busy processes");
}

const all = readdirSync(folder).filter((name) => name.endsWith(".test.mjs")).map((name) => name.replace(".test.mjs", ""));
const parts = options.parts.length > 0 ? options.parts : all;
for (const part of parts) {
  if (!all.includes(part)) {
    fail(`there is no part ${part}; there are ${all.join(", ")}`);
  }
}

for (const [what, why] of Object.entries(pending)) {
  console.log(`PENDING ${what}: ${why}`);
}
const reporters = ["spec", join(folder, "support", "summary.mjs")].flatMap((reporter) => [
  `--test-reporter=${reporter}`,
  "--test-reporter-destination=stdout",
]);
// The last resort against a part that hangs: the longest one takes three minutes on two busy cores. CUTS and MINUTES may
// ask for hours.
const limit = 15 * 60_000 + 20_000 * Number(process.env.CUTS ?? 0) + 120_000 * Number(process.env.MINUTES ?? 0);
const env = {
  ...process.env,
  [limitVariable]: String(limit),
  [builtServer]: await build("./interop/server", temporaryFolder()),
};
for (let i = 0; i < options.load; i++) {
  // A busy process ends with its parent, however that ends.
  killAtExit(spawn(process.execPath, ["-e", "const { ppid } = process; while (process.ppid === ppid);"], { stdio: "ignore" }));
}
for (let round = 1; round <= options.repeat; round++) {
  for (const part of parts) {
    if (options.repeat > 1) {
      console.log(`round ${round} of ${options.repeat}: ${part}`);
    }
    const code = await run(part);
    if (code !== 0) {
      const load = options.load > 0 ? ["--load", options.load] : [];
      console.log(`REPEAT ${["node", "interop/test/run.mjs", ...load, part, ...options.node].map(quote).join(" ")}`);
      process.exit(code ?? 1);
    }
  }
}
process.exit(); // with the busy processes

/** Runs a part in a process group of its own, which is killed when the part hangs. Resolves with the exit code. */
async function run(part) {
  const child = spawn(process.execPath, ["--test", ...reporters, ...options.node, join(folder, `${part}.test.mjs`)],
    { stdio: ["ignore", "inherit", "inherit"], env, detached: true });
  const kill = () => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  };
  process.once("exit", kill);
  const timer = setTimeout(kill, limit + 5_000); // the summary has shown by then what is still running
  const [code] = await once(child, "close");
  clearTimeout(timer);
  process.off("exit", kill);
  return code;
}

function fail(text) {
  console.error(text);
  process.exit(2);
}
