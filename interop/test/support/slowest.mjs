// A reporter for node --test that lists the slowest tests at the end, one line each, for interop/test.sh to collect. The
// environment variable PARTS names what runs: an event of node --test only has the file that calls test().

const count = 10;

export default async function* slowest(events) {
  const tests = [];
  for await (const { type, data } of events) {
    if ((type === "test:pass" || type === "test:fail") && data.details.type !== "suite" && data.nesting > 0) {
      tests.push({ seconds: data.details.duration_ms / 1000, name: data.name });
    }
  }
  tests.sort((a, b) => b.seconds - a.seconds);
  for (const { seconds, name } of tests.slice(0, count)) {
    yield `SLOW ${seconds.toFixed(2)}s ${process.env.PARTS}: ${name}\n`;
  }
}
