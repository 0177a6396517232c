// The web worker of the case in cases/worker.mjs: gets { url, text }, answers { received } or { error }.
/* global importScripts, signalR */
importScripts("/node_modules/@microsoft/signalr/dist/webworker/signalr.js");

onmessage = async ({ data: { url, text } }) => {
  try {
    const connection = new signalR.HubConnectionBuilder().configureLogging(signalR.LogLevel.None).withUrl(url).build();
    const received = new Promise((resolve) => connection.on("message", resolve));
    await connection.start();
    await connection.invoke("invokeWithString", text);
    postMessage({ received: await received });
    await connection.stop();
  } catch (error) {
    postMessage({ error: error.message });
  }
};
