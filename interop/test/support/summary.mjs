// A reporter for node --test: how long the part took, its slowest tests, one line each, for interop/test.sh to collect, and
// commands that repeat failures with their seeds. When the part reaches its limit, it shows what is still running.

import { basename } from "node:path";

/** Environment variable with the limit of the part, in milliseconds. */
export const limitVariable = "SIGNALR_TEST_LIMIT";

const count = 10;
const suffix = ".test.mjs";

/** Quotes an argument for a shell. */
export function quote(argument) {
  return /^[\w=./:-]+$/.test(argument) ? String(argument) : `'${String(argument).replaceAll("'", "'\\''")}'`;
}

export default async function* summary(events) {
  const began = performance.now();
  const tests = [];
  const commands = new Set();
  const running = new Set();
  let part = "";
  const limit = Number(process.env[limitVariable]);
  const timer = limit && setTimeout(() => {
    console.log(`${part}: not finished within ${limit / 1000} s, still running: ${[...running].join("; ")}`);
  }, limit);

  for await (const { type, data } of events) {
    const test = !data.name?.endsWith(suffix); // else it is the file itself
    if (type === "test:dequeue" && !test) {
      part = basename(data.name, suffix);
    } else if (type === "test:dequeue") {
      running.add(data.name);
    } else if (type === "test:complete") {
      running.delete(data.name);
    } else if ((type === "test:pass" || type === "test:fail") && test) {
      running.delete(data.name);
      if (data.details.type !== "suite") {
        tests.push({ seconds: data.details.duration_ms / 1000, name: `${part}: ${data.name}` });
      }
      const [seed] = /SEED=\d+/.exec(data.details.error?.cause?.message ?? data.details.error?.message ?? "") ?? [];
      if (type === "test:fail" && seed) {
        const given = ["CUTS", "MINUTES"].filter((name) => process.env[name]).map((name) => `${name}=${process.env[name]}`);
        const environment = [...given, seed];
        const pattern = `--test-name-pattern=^${data.name}$`;
        commands.add([...environment, "node", "interop/test/run.mjs", part, pattern].map(quote).join(" "));
      }
    }
  }
  clearTimeout(timer);
  yield `${part}: ${((performance.now() - began) / 1000).toFixed(1)} s\n`;
  tests.sort((a, b) => b.seconds - a.seconds);
  for (const { seconds, name } of tests.slice(0, count)) {
    yield `SLOW ${seconds.toFixed(2)}s ${name}\n`;
  }
  for (const command of commands) {
    yield `REPEAT ${command}\n`;
  }
}
