// Numbers in every direction over one connection with stateful reconnect, in Node and in the browser alike.

import { equal, ok } from "./expect.mjs";

// The load, in each direction: so many messages a second, nearly always.
const rate = 200;
const callsPerSecond = 150; // and as many calls back
const itemsPerSecond = 50; // of each stream
const lowest = 0.9 * rate; // the last ones are under way when the time is up

// So many calls are under way at most: 5 s of them. A machine that has had no time for the test is not overrun after that.
const mostCalls = 5 * callsPerSecond;

const patience = 15_000; // ms for what is under way at the end

function build({ signalR, MessagePackHubProtocol }, url, protocol) {
  const builder = new signalR.HubConnectionBuilder()
    .configureLogging(signalR.LogLevel.None)
    .withUrl(url, { transport: signalR.HttpTransportType.WebSockets })
    .withAutomaticReconnect() // its events would show that stateful reconnect has failed
    .withStatefulReconnect();
  if (protocol === "messagepack") {
    builder.withHubProtocol(new MessagePackHubProtocol());
  }
  return builder.build();
}

/**
 * Connects to a FlowHub and sends numbers until `finished` resolves. Fails if one is missing at the end, comes twice or in
 * the wrong order, if there were fewer than there should be, or if the connection ends or says that it reconnects.
 *
 * With `far`, the URL of another server of the same farm, the calls go to a client of that one, with the other protocol,
 * which calls back; and that server sends numbers by itself to a group.
 *
 * Resolves with how many numbers there were, for how many seconds, and the longest pause in ms: a machine that has other
 * things to do explains much.
 */
export async function flow(environment, { url, far, protocol, finished }) {
  const connection = build(environment, url, protocol);
  const farther = far && build(environment, far, protocol === "json" ? "messagepack" : "json");

  let stopping = false;
  let fail;
  const failed = new Promise((_, reject) => (fail = reject));
  failed.catch(() => {}); // it is looked at below
  for (const one of farther ? [connection, farther] : [connection]) {
    one.onreconnecting((error) => fail(new Error(`reconnecting: ${error}`)));
    one.onclose((error) => stopping || fail(new Error(`closed: ${error}`)));
  }

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
  const subscribe = (stream, what) =>
    stream.subscribe({
      next: (number) => take(what, number),
      error: fail,
      complete: () => fail(new Error(`${what}: the stream has ended`)),
    });
  connection.on("Welcome", (id) => welcomed.push(id));
  connection.on("Number", (number) => take("received", number));
  await connection.start();
  const id = connection.connectionId;
  const downloads = [];
  let pause = 0;
  let call = (number) => connection.send("Echo", number);
  try {
    if (farther) {
      Object.assign(counts, { forwarded: 0, fed: 0, announced: 0 });
      farther.on("Welcome", () => {});
      farther.on("Number", (number) => {
        take("forwarded", number);
        farther.send("Forward", id, number).catch(fail);
      });
      connection.on("Fed", (number) => take("fed", number));
      await farther.start();
      const farId = farther.connectionId;
      call = (number) => connection.send("Forward", farId, number);
      await connection.invoke("Join", id); // a group of its own
      downloads.push(subscribe(farther.stream("Feed", id, itemsPerSecond), "announced"));
    }
    downloads.push(subscribe(connection.stream("Count", itemsPerSecond), "downloaded"));
    const upload = new environment.signalR.Subject();
    const checked = connection.invoke("Check", upload);
    checked.catch(fail);

    const began = performance.now();
    const elapsed = () => (performance.now() - began) / 1000;
    let before = elapsed();
    const timer = setInterval(() => {
      pause = Math.max(pause, elapsed() - before);
      before = elapsed();
      while (counts.sent < elapsed() * callsPerSecond && counts.sent - counts.received < mostCalls) {
        call(counts.sent++).catch(fail);
      }
      while (counts.uploaded < elapsed() * itemsPerSecond) {
        upload.next(counts.uploaded++);
      }
    }, 5);
    await Promise.race([finished, failed]).finally(() => clearInterval(timer));
    const seconds = elapsed();
    upload.complete();
    const { downloaded, announced = 0 } = counts;

    const late = setTimeout(() => fail(new Error(`not all has arrived: ${JSON.stringify(counts)}`)), patience);
    const all = new Promise((resolve) => {
      changed = () => counts.received >= counts.sent && (counts.fed ?? 0) >= announced && resolve();
      changed();
    });
    equal(await Promise.race([checked, failed]), counts.uploaded, "the number of items uploaded");
    await Promise.race([all, failed]);
    clearTimeout(late);
    downloads.forEach((download) => download.dispose());
    equal(counts.received, counts.sent, "the number of calls back");
    equal(connection.connectionId, id, "the connection id");
    equal(welcomed, [id], "the greetings");
    const [up, down] = [counts.sent + counts.uploaded, counts.sent + downloaded];
    ok(up >= lowest * seconds && down >= lowest * seconds, `${up} up and ${down} down in ${seconds} s are too few`);
    ok(announced >= 0.9 * itemsPerSecond * seconds || !farther, `${announced} numbers to the group in ${seconds} s are too few`);
    return { ...counts, seconds: Math.round(seconds), pause: Math.round(1000 * pause) };
  } catch (error) {
    throw new Error(`${error.message}; ${JSON.stringify(counts)}; longest pause ${pause} s`, { cause: error });
  } finally {
    stopping = true;
    await Promise.all([connection.stop(), farther?.stop()]);
  }
}
