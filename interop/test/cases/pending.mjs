// What the server cannot do yet, as {feature: reason}. Cases that need one of these are listed and reported as skipped,
// with the reason. Delete a line to switch its cases on.
export const pending = {};
