// Numbers in every direction over one connection with stateful reconnect, in Node and in the browser alike.

import { equal } from "./expect.mjs";
import { journal } from "./journal.mjs";

// The load in each direction, if the machine can carry it: 200 messages a second.
const callsPerSecond = 150; // and as many calls back
const itemsPerSecond = 50; // of each stream

// So many calls are under way at most: 5 s of them. A machine that has had no time for the test is not overrun after that.
const mostCalls = 5 * callsPerSecond;

/** The client's logger: everything but its data, and no tokens. */
const logTo = (log) => ({
  log: (_level, text) => / data /.test(text) || log.add(text.replace(/([?&]id=)[^&\s]+/, "$1...")),
});

function build({ signalR, MessagePackHubProtocol }, url, protocol, log) {
  const builder = new signalR.HubConnectionBuilder()
    .configureLogging(logTo(log))
    .withUrl(url, { transport: signalR.HttpTransportType.WebSockets })
    .withAutomaticReconnect() // its events would show that stateful reconnect has failed
    .withStatefulReconnect();
  if (protocol === "messagepack") {
    builder.withHubProtocol(new MessagePackHubProtocol());
  }
  return builder.build();
}

/**
 * Connects to a FlowHub and sends numbers until `finished` resolves and there were `least` of each kind. Fails if one is
 * missing at the end, comes twice or in the wrong order, if the connection ends or says that it reconnects, or if all that
 * takes longer than `limit` ms.
 *
 * With `far`, the URL of another server of the same farm, the calls go to a client of that one, with the other protocol,
 * which calls back; and that server sends numbers by itself to a group.
 *
 * Resolves with the number of numbers of each kind, the seconds they took, and the longest pause in ms, which shows how
 * busy the machine was.
 */
export async function flow(environment, { url, far, protocol, least, limit, finished }) {
  const log = journal();
  const connection = build(environment, url, protocol, log);
  const farther = far && build(environment, far, protocol === "json" ? "messagepack" : "json", journal());

  let stopping = false;
  let fail;
  const failed = new Promise((_, reject) => (fail = reject));
  failed.catch(() => {}); // it is looked at below
  const unlessFailed = (promise) => Promise.race([promise, failed]);
  const late = setTimeout(() => fail(new Error(`not done after ${limit} ms`)), limit);
  for (const one of farther ? [connection, farther] : [connection]) {
    one.onreconnecting((error) => fail(new Error(`reconnecting: ${error}`)));
    one.onclose((error) => stopping || fail(new Error(`closed: ${error}`)));
  }

  const counts = { sent: 0, received: 0, uploaded: 0, downloaded: 0 };
  const welcomed = [];
  let changed = () => {};
  const until = (condition) =>
    new Promise((resolve) => {
      changed = () => condition() && resolve();
      changed();
    });
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
  const downloads = [];
  let id;
  let pause = 0;
  let call = (number) => connection.send("Echo", number);
  try {
    await unlessFailed(connection.start());
    id = connection.connectionId;
    if (farther) {
      Object.assign(counts, { forwarded: 0, fed: 0, announced: 0 });
      farther.on("Welcome", () => {});
      farther.on("Number", (number) => {
        take("forwarded", number);
        farther.send("Forward", id, number).catch(fail);
      });
      connection.on("Fed", (number) => take("fed", number));
      await unlessFailed(farther.start());
      const farId = farther.connectionId;
      call = (number) => connection.send("Forward", farId, number);
      await unlessFailed(connection.invoke("Join", id)); // a group of its own
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
    const kinds = Object.keys(counts);
    const enough = finished.then(() => until(() => kinds.every((kind) => counts[kind] >= least)));
    await unlessFailed(enough).finally(() => clearInterval(timer));
    const seconds = elapsed();
    upload.complete();
    equal(await unlessFailed(checked), counts.uploaded, "the number of items uploaded");
    const { announced = 0 } = counts;
    await unlessFailed(until(() => counts.received >= counts.sent && (counts.fed ?? 0) >= announced));
    downloads.forEach((download) => download.dispose());
    equal(counts.received, counts.sent, "the number of calls back");
    equal(connection.connectionId, id, "the connection id");
    equal(welcomed, [id], "the greetings");
    return { ...counts, seconds: Math.round(seconds), pause: Math.round(1000 * pause) };
  } catch (error) {
    const all = `${JSON.stringify(counts)}; longest pause ${pause} s`;
    throw new Error(`${error.message}; ${all}\nThe log of connection ${id}:\n${log}`, { cause: error });
  } finally {
    stopping = true;
    clearTimeout(late);
    await Promise.all([connection.stop(), farther?.stop()]);
  }
}
