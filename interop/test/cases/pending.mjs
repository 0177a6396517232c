// What the server cannot do yet. Cases that need one of these are listed and reported as skipped, with the reason.
// Delete a line to switch its cases on.
export const pending = {
  ServerSentEvents: "the transport comes later",
  LongPolling: "the transport comes later",
  raw: "connections without a hub come later",
};
