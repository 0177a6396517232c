import { describe, test } from "node:test";

/**
 * Makes a test of each case, `concurrency` of them at a time. Pending cases are reported as skipped, and listed once
 * more in front so that nobody overlooks them.
 */
export function report(name, cases, { concurrency, run }) {
  const waiting = cases.filter(({ pending }) => pending);
  if (waiting.length > 0) {
    console.log(`${name}: ${waiting.length} of ${cases.length} cases pending`);
  }
  describe(name, { concurrency }, () => {
    for (const one of cases) {
      test(one.title, { skip: one.pending || false }, () => run(one));
    }
  });
}
