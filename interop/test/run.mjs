// Runs the tests: node test/run.mjs [--repeat N] [part ...] [--test-...]
//
// A part is a file's name without .test.mjs; without parts all run. Arguments that begin with --test- go to node, such
// as --test-name-pattern=Stream. REPEAT=N does the same as --repeat N.

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pending } from "./cases/pending.mjs";
import { build, builtServer, interop, temporaryFolder } from "./support/server.mjs";

const folder = join(interop, "test");
const options = { repeat: Number(process.env.REPEAT ?? 1), parts: [], node: [] };
const args = process.argv.slice(2);
while (args.length > 0) {
  const arg = args.shift();
  if (arg === "--repeat") {
    options.repeat = Number(args.shift());
  } else if (arg.startsWith("--test-")) {
    options.node.push(arg);
  } else {
    options.parts.push(arg);
  }
}
if (!(options.repeat >= 1)) {
  fail("--repeat needs a number of at least 1");
}

const all = readdirSync(folder).filter((name) => name.endsWith(".test.mjs"));
const files = options.parts.length > 0 ? options.parts.map((part) => `${part}.test.mjs`) : all;
for (const file of files) {
  if (!all.includes(file)) {
    fail(`there is no test ${file}; there are ${all.join(", ")}`);
  }
}

for (const [what, why] of Object.entries(pending)) {
  console.log(`PENDING ${what}: ${why}`);
}
const reporters = ["spec", join(folder, "support", "slowest.mjs")].flatMap((reporter) => [
  `--test-reporter=${reporter}`,
  "--test-reporter-destination=stdout",
]);
// The last resort against a run that hangs: all parts together take ten minutes. CUTS may ask for hours.
const limit = process.env.CUTS ? undefined : 30 * 60_000;
const env = { ...process.env, PARTS: options.parts.join(" ") || "all", [builtServer]: await build("./interop/server", temporaryFolder()) };
for (let round = 1; round <= options.repeat; round++) {
  if (options.repeat > 1) {
    console.log(`round ${round} of ${options.repeat}`);
  }
  const { status, error } = spawnSync(
    process.execPath,
    ["--test", ...reporters, ...options.node, ...files.map((file) => join(folder, file))],
    { stdio: ["ignore", "inherit", "inherit"], env, timeout: limit, killSignal: "SIGKILL" },
  );
  if (error) {
    fail(`${files.join(", ")}: ${error.code === "ETIMEDOUT" ? `not finished within ${limit / 60_000} minutes` : error.message}`);
  }
  if (status !== 0) {
    process.exit(status ?? 1);
  }
}

function fail(text) {
  console.error(text);
  process.exit(2);
}
