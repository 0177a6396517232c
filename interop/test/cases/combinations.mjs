// The combinations that groups of cases run over. Messages of the binary protocol cannot travel as Server-Sent Events.

export const transportsAndProtocols = [
  { transport: "WebSockets", protocol: "json" },
  { transport: "WebSockets", protocol: "messagepack" },
  { transport: "ServerSentEvents", protocol: "json" },
  { transport: "LongPolling", protocol: "json" },
  { transport: "LongPolling", protocol: "messagepack" },
];

export const transports = [
  { transport: "WebSockets", protocol: "json" },
  { transport: "ServerSentEvents", protocol: "json" },
  { transport: "LongPolling", protocol: "json" },
];

// For cases that choose transport and protocol themselves.
export const once = [{}];
