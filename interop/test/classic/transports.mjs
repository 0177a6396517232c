// What the cases run over.

export const all = ["webSockets", "serverSentEvents", "foreverFrame", "longPolling"];
/** Those that send by HTTP. */
export const ajax = ["serverSentEvents", "foreverFrame", "longPolling"];
/** Those whose connections stay open. */
export const streams = ["webSockets", "serverSentEvents", "foreverFrame"];
/** Those that a browser of today offers. */
export const modern = ["webSockets", "serverSentEvents", "longPolling"];
/** A case without a transport, or with all of them. */
export const once = [undefined];
