// What the page's modules find in the browser besides the browser's own: index.html loads the client as a script.

import type * as client from "@microsoft/signalr";

declare global {
  var signalR: typeof client;
}
