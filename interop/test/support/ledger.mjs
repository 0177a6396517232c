// What a farm was told to do and what its clients have heard, and whether that fits together.
//
// Each message to each client that was certainly meant is delivered once, or its sender got an error, or a loss was reported
// with a count that covers it. What a sender has sent with success, a client hears in order. A change of a group that has
// succeeded holds.

const shownEach = 5;

/** Time for the ledger, in ms. */
export const now = () => Date.now();

const clock = (at) => (at === Infinity ? "never" : new Date(at).toISOString().slice(11, -1));

/** What identifies a message: the numbers of a sender rise. */
const key = (sender, number) => `${sender}/${number}`;

export class Ledger {
  senders = new Map(); // by name: { name, node, messages }
  connections = [];
  nodes = []; // all that there were: { number, id, alive, losses }
  views = []; // at the end: { node, group, members }

  /** A sender is one goroutine of a node, or several that wait for each other. */
  sender(name, node) {
    const sender = { name, node, messages: [] };
    this.senders.set(name, sender);
    return sender;
  }

  /** A connection of a client. What was sent since `ready` may be missed, until `closed`. */
  connection(node, user, label) {
    const connection = {
      node, user, label, id: "", ready: Infinity, closed: Infinity, aborted: undefined, heard: [],
      changes: [], // of groups: { group, kind, began, ended, ok }, one after the other for each group
    };
    this.connections.push(connection);
    return connection;
  }

  /** Whether a message was certainly meant for a connection. */
  #isMeant(connection, { to, name, began }) {
    switch (to) {
      case "All":
        return true;
      case "User":
        return connection.user === name;
      case "Client":
        return connection.id === name;
      case "Group": {
        const last = connection.changes.findLast(({ group }) => group === name);
        return last?.kind === "Add" && last.ok && last.ended < began;
      }
    }
  }

  /** Why a connection should not have heard a message at a time; undefined: it may have. */
  #isNotMeant(connection, { to, name, began }, at) {
    switch (to) {
      case "All":
        return undefined;
      case "User":
        return connection.user === name ? undefined : "another user's";
      case "Client":
        return connection.id === name ? undefined : "another client's";
      case "Group": {
        const changes = connection.changes.filter((change) => change.group === name && change.began < at);
        if (changes.every(({ kind }) => kind === "Remove")) {
          return "of a group that it was never in";
        }
        const last = changes.at(-1);
        return last.kind === "Remove" && last.ok && last.ended < began ? "of a group that it had left" : undefined;
      }
    }
  }

  /** Whether a connection is certainly a member of a group, certainly not, or (undefined) perhaps. */
  membership(connection, group) {
    const last = connection.changes.findLast((change) => change.group === group);
    return last === undefined ? false : last.ok ? last.kind === "Add" : undefined;
  }

  /** When the first message was sent that the clients of a node have heard of another node. */
  #firstHeard(to, from, own, byKey) {
    const times = this.connections.filter(({ node }) => node === to).flatMap(({ heard }) =>
      heard.map(({ sender, number }) => byKey.get(key(sender, number)))
        .filter((message) => message?.node === from && (message.to === "Client") === own)
        .map(({ began }) => began));
    return times.reduce((least, time) => Math.min(least, time), Infinity);
  }

  /** Everything that is wrong, as texts, and figures. */
  judge({ loses }) {
    const wrong = new Map(); // texts by kind
    const accuse = (kind, text) => wrong.set(kind, [...(wrong.get(kind) ?? []), text]);
    const figures = { messages: 0, failed: 0, heard: 0, late: 0, missing: 0, silent: 0, reported: 0, occasions: 0 };
    const byKey = new Map();
    for (const sender of this.senders.values()) {
      for (const message of sender.messages) {
        byKey.set(key(sender.name, message.number), message);
        figures.messages++;
        figures.failed += message.done ? 0 : 1;
      }
    }
    const missing = new Map(); // by receiving node, sending node and own stream: { messages, text }
    const miss = (connection, sender, own, message, text) => {
      const what = `${connection.node.number} ${sender.node.number} ${own}`;
      const one = missing.get(what) ?? { to: connection.node, from: sender.node, own, messages: new Set(), texts: [] };
      one.messages.add(message);
      one.texts.push(text);
      missing.set(what, one);
    };

    for (const connection of this.connections) {
      const who = `${connection.label} (${connection.id}, node ${connection.node.number})`;
      const seen = new Map();
      const lastDone = new Map(); // by sender: the number of the last message heard that has succeeded
      for (const { sender, number, at } of connection.heard) {
        figures.heard++;
        const which = key(sender, number);
        const message = byKey.get(which);
        if (!message) {
          accuse("unknown", `${who} has heard ${which}, which nobody has sent`);
          continue;
        }
        const described = describe(which, message);
        if (seen.has(which)) {
          accuse("twice", `${who} has heard ${described} twice, at ${clock(seen.get(which))} and ${clock(at)}`);
          continue;
        }
        seen.set(which, at);
        const why = this.#isNotMeant(connection, message, at);
        if (why) {
          accuse("misdirected", `${who} has heard ${described}, ${why}, at ${clock(at)}`);
        }
        const last = lastDone.get(sender) ?? -1;
        if (number < last) {
          if (message.done) {
            accuse("order", `${who} has heard ${described} behind ${describe(key(sender, last), byKey.get(key(sender, last)))}, at ${clock(at)}`);
          } else {
            figures.late++;
          }
        } else if (message.done) {
          lastDone.set(sender, number);
        }
      }
      for (const sender of this.senders.values()) {
        for (const message of sender.messages) {
          const which = key(sender.name, message.number);
          if (!message.done || message.began < connection.ready || seen.has(which) || !this.#isMeant(connection, message)) {
            continue;
          }
          // What was on its way when the connection ended is not missed.
          const ended = connection.closed !== Infinity && message.number > (lastDone.get(sender.name) ?? -1);
          if (message.kind === "Ask") {
            accuse("answered", `${who} has not heard ${describe(which, message)}`);
          } else if (!ended) {
            miss(connection, sender, message.to === "Client", message, `${who} has not heard ${describe(which, message)}`);
          }
        }
      }
      if (connection.aborted && connection.closed === Infinity) {
        miss(connection, connection.aborted, true, connection.aborted, `${who} was aborted at ${clock(connection.aborted.began)} and lives`);
      }
    }

    for (const { to, from, own, messages, texts } of missing.values()) {
      figures.missing += messages.size;
      const told = to.losses.filter((loss) => loss.own === own && loss.publisher === from.id);
      const count = told.reduce((sum, loss) => sum + loss.count, 0);
      // How much an occasion has cost shows when its publisher is heard again, if it was heard before.
      const unknown = to.losses.some((loss) => loss.publisher === 0 && (loss.own === own || loss.reason === "epoch"));
      const first = unknown ? this.#firstHeard(to, from, own, byKey) : 0;
      const countable = unknown && !from.alive ? 0 : [...messages].filter(({ began }) => began >= first).length;
      if (from === to && own || count < countable) {
        figures.silent += countable - count;
        accuse("silent", `node ${to.number} lacks ${messages.size} ${own ? "messages to it alone" : "messages"} of node ${from.number}` +
          ` and has reported ${count}${unknown ? " and an unknown number" : ""}: ${some(texts)}`);
      }
    }
    for (const { node, group, members, error } of this.views) {
      if (error !== undefined) {
        accuse("groups", `node ${node.number} does not know who is in ${group}: ${error}`);
        continue;
      }
      for (const connection of this.connections.filter(({ closed }) => closed === Infinity)) {
        const certain = this.membership(connection, group);
        if (certain !== undefined && certain !== members.includes(connection.id)) {
          accuse("groups", `node ${node.number} says that ${connection.label} (${connection.id}, node ${connection.node.number}) is` +
            ` ${certain ? "not " : ""}in ${group}; its changes: ${JSON.stringify(connection.changes.filter((c) => c.group === group).slice(-3))}`);
        }
      }
    }
    for (const { number, losses } of this.nodes) {
      figures.occasions += losses.length;
      figures.reported += losses.reduce((sum, { count }) => sum + count, 0);
      if (!loses && losses.length > 0) {
        accuse("alarm", `node ${number} has reported losses, though nothing was lost: ${JSON.stringify(losses)}`);
      }
    }
    return { wrong: [...wrong].map(([kind, texts]) => `${kind}: ${some(texts)}`), figures };
  }
}

function describe(which, { kind, to, name, began, ended, done }) {
  return `${which} (${kind} ${to} ${name}, ${done ? "sent" : "failed"} from ${clock(began)} to ${clock(ended)})`;
}

const some = (texts) => texts.slice(0, shownEach).join("; ") + (texts.length > shownEach ? `; and ${texts.length - shownEach} more` : "");
