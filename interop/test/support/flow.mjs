// Numbers in every direction over one connection with stateful reconnect, in Node and in the browser alike.

import { equal, ok } from "./expect.mjs";

const callsPerSecond = 150; // and as many calls back
const itemsPerSecond = 50; // of each stream
const patience = 15_000; // ms for what is under way at the end

/**
 * Connects to a FlowHub and sends numbers until `finished` resolves. Fails if one is missing at the end, comes twice or in
 * the wrong order, or if the connection ends or says that it reconnects. Resolves with how many there were.
 */
export async function flow({ signalR, MessagePackHubProtocol }, { url, protocol, finished }) {
  const builder = new signalR.HubConnectionBuilder()
    .configureLogging(signalR.LogLevel.None)
    .withUrl(url, { transport: signalR.HttpTransportType.WebSockets })
    .withAutomaticReconnect() // its events would show that stateful reconnect has failed
    .withStatefulReconnect();
  if (protocol === "messagepack") {
    builder.withHubProtocol(new MessagePackHubProtocol());
  }
  const connection = builder.build();

  let stopping = false;
  let fail;
  const failed = new Promise((_, reject) => (fail = reject));
  failed.catch(() => {}); // it is looked at below
  connection.onreconnecting((error) => fail(new Error(`reconnecting: ${error}`)));
  connection.onclose((error) => stopping || fail(new Error(`closed: ${error}`)));

  const counts = { sent: 0, received: 0, uploaded: 0, downloaded: 0 };
  const welcomed = [];
  let changed = () => {};
  const take = (what, number) => {
    if (number !== counts[what]) {
      fail(new Error(`${what}: ${number} instead of ${counts[what]}`));
    }
    counts[what]++;
    changed();
  };
  connection.on("Welcome", (id) => welcomed.push(id));
  connection.on("Number", (number) => take("received", number));
  await connection.start();
  const id = connection.connectionId;

  const download = connection.stream("Count", itemsPerSecond).subscribe({
    next: (number) => take("downloaded", number),
    error: fail,
    complete: () => fail(new Error("the download has ended")),
  });
  const upload = new signalR.Subject();
  const checked = connection.invoke("Check", upload);
  checked.catch(fail);

  const began = performance.now();
  const timer = setInterval(() => {
    const seconds = (performance.now() - began) / 1000;
    while (counts.sent < seconds * callsPerSecond) {
      connection.send("Echo", counts.sent++).catch(fail);
    }
    while (counts.uploaded < seconds * itemsPerSecond) {
      upload.next(counts.uploaded++);
    }
  }, 5);

  try {
    await Promise.race([finished, failed]);
    clearInterval(timer);
    upload.complete();
    const late = setTimeout(() => fail(new Error(`not all has arrived: ${JSON.stringify(counts)}`)), patience);
    const all = new Promise((resolve) => {
      changed = () => counts.received >= counts.sent && resolve();
      changed();
    });
    equal(await Promise.race([checked, failed]), counts.uploaded, "the number of items uploaded");
    await Promise.race([all, failed]);
    clearTimeout(late);
    download.dispose();
    equal(counts.received, counts.sent, "the number of calls back");
    equal(connection.connectionId, id, "the connection id");
    equal(welcomed, [id], "the greetings");
    ok(counts.downloaded > 0, "nothing was downloaded");
    return counts;
  } finally {
    clearInterval(timer);
    stopping = true;
    await connection.stop();
  }
}
