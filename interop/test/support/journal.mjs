// Logs for failures to show.

/** Returns a log that keeps its newest `limit` lines, each with the time in UTC, as the servers have it. */
export function journal(limit = 50) {
  const lines = [];
  return {
    add(text) {
      lines.push(`${new Date().toISOString().slice(11, -1)} ${text}`);
      if (lines.length > limit) {
        lines.shift();
      }
    },
    toString: () => lines.join("\n"),
  };
}
