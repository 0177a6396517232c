// Runs before the client: a page with ?frames is in a browser without EventSource, where forever frame is used.
if (location.search === "?frames") {
  delete window.EventSource;
}
