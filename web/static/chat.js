// The chat's page: what it knows, and what happens when.

import { byId } from "./dom.js";
import { Link } from "./link.js";
import { Log } from "./log.js";
import { closePanel, setUpPanels } from "./panels.js";
import { showJoined, showOthers, showPeople } from "./sides.js";

/**
 * @import { Limits, RoomList, Roster } from "./hub.js"
 * @import { State } from "./link.js"
 *
 * @typedef {object} Room What the page knows of a room.
 * @property {string} name
 * @property {Log} log
 * @property {boolean} joined
 * @property {Roster} roster
 * @property {number} unread
 * @property {string} draft What is written and not sent.
 */

const EVERYONE = ""; // the place of messages to everyone: no room has an empty name

/** @type {Map<string, Room>} by name */
const rooms = new Map();
/** @type {Set<string>} every connection has an id of its own; this page may have had several */
const ownIds = new Set();
/** @type {RoomList} all rooms there are */
let list = { revision: 0, rooms: [] };
let current = EVERYONE;
let ownName = "";
/** @type {State} */
let state = "connecting";

/** @param {string} id */
const mine = (id) => ownIds.has(id);
/** @param {string} name */
const titleOf = (name) => (name === EVERYONE ? "Everyone" : `# ${name}`);
const waiting = () => state === "connecting" || state === "reconnecting";
const joined = () => [...rooms.values()].filter((room) => room.joined);

/**
 * What the page knows of a room. News may come before the answer to the call that joined it.
 * @param {string} name
 */
function roomOf(name) {
  let room = rooms.get(name);
  if (!room) {
    const log = new Log(`Messages in ${name || "everyone"}`, mine, showNewer);
    byId("logs").prepend(log.element);
    room = { name, log, joined: false, roster: { revision: 0, people: [] }, unread: 0, draft: "" };
    rooms.set(name, room);
  }
  return room;
}

// From the server.

const link = new Link("/chat", linkChanged);
const { hub } = link;

hub.on("welcome", ({ you, limits, rooms, node }) => {
  ownIds.add(you.id);
  setLimits(limits);
  setRooms(rooms);
  byId("node").textContent = node ? `node ${node}` : "";
  if (state === "connected") {
    rejoin(); // it may be that the server has forgotten this page
  }
});
hub.on("roomsChanged", setRooms);
hub.on("peopleChanged", setRoster);
hub.on("lineAdded", (name, line) => {
  const room = roomOf(name);
  const unseen = name !== current || document.hidden || !room.log.atEnd;
  if (room.log.add(line) && room.joined && unseen && line.kind === "said" && !mine(line.from.id)) {
    room.unread++;
    show();
  }
});
hub.on("messageReceived", (message) => {
  for (const room of joined()) {
    room.log.announce(message, Date.now());
  }
  showNewer();
});

/** @param {Limits} limits */
function setLimits({ name, room, text }) {
  byId("name").maxLength = byId("new-name").maxLength = name;
  byId("first-room").maxLength = byId("room").maxLength = room;
  byId("text").maxLength = text;
}

/** @param {RoomList} rooms */
function setRooms(rooms) {
  if (rooms.revision > list.revision) {
    list = rooms;
    show();
  }
}

/**
 * @param {string} name
 * @param {Roster} roster
 */
function setRoster(name, roster) {
  const room = roomOf(name);
  if (roster.revision > room.roster.revision) {
    room.roster = roster;
    show();
  }
}

/**
 * @param {State} now
 * @param {{ attempt?: number, error?: Error }} detail
 */
function linkChanged(now, { attempt = 1, error } = {}) {
  const texts = {
    connecting: attempt > 1 ? `Connecting, attempt ${attempt}…` : "Connecting…",
    connected: "Connected",
    reconnecting: `Reconnecting, attempt ${attempt}…`,
    disconnected: "Disconnected",
  };
  const actions = { connecting: "", connected: "Disconnect", reconnecting: "Try now", disconnected: "Reconnect" };
  const lost = state === "connected" && now !== "connected";
  state = now;
  byId("state").dataset.state = now;
  byId("state").textContent = texts[now];
  byId("link").textContent = actions[now];
  byId("link").hidden = now === "connecting";
  if (lost) {
    joined().forEach((room) => room.log.note("You were disconnected", Date.now()));
  }
  if (error) {
    showProblem(error);
  }
  if (now === "connected") {
    hideProblem();
    rejoin();
  }
}

// To the server.

/** @param {string} name */
async function join(name) {
  const view = await hub.invoke("Join", ownName, name);
  const room = roomOf(view.room);
  view.lines.forEach((line) => room.log.add(line));
  room.joined = true;
  setRoster(view.room, view.roster);
  show();
  return room.name;
}

/** Goes back to the rooms, which the server knows only by connection. */
async function rejoin() {
  for (const room of joined().filter(({ name }) => name !== EVERYONE)) {
    try {
      await join(room.name);
    } catch (error) {
      if (state !== "connected") {
        return; // lost again: there will be another time
      }
      showProblem(error);
      forget(room);
    }
  }
}

/** @param {string} name */
async function leave(name) {
  await hub.invoke("Leave", name);
  forget(roomOf(name));
}

/** @param {Room} room */
function forget(room) {
  room.log.element.remove();
  rooms.delete(room.name);
  if (room.name === current) {
    open(joined().at(-1)?.name ?? EVERYONE);
  } else {
    show();
  }
}

/** @param {string} text */
async function say(text) {
  await (current === EVERYONE ? hub.invoke("Send", text) : hub.invoke("Say", current, text));
}

/** @param {string} name */
function setName(name) {
  ownName = name.trim();
  byId("new-name").value = ownName;
}

/**
 * Does what the user asked for, and tells whether it worked; shows why if not. It is not tried while the client connects:
 * with stateful reconnect, a call that begins then never ends.
 * @param {() => Promise<unknown>} action
 */
async function attempt(action) {
  if (waiting()) {
    showProblem(); // that there is no connection
    return false;
  }
  try {
    await action();
    hideProblem();
    return true;
  } catch (error) {
    showProblem(error);
    return false;
  }
}

/** @param {unknown} [error] */
function showProblem(error) {
  const message = error instanceof Error ? error.message : String(error);
  byId("problem-text").textContent = waiting()
    ? "There is no connection just now. Try again when it is back."
    : message.replace(/^.*\bHubException: /s, "");
  byId("problem").hidden = false;
}

function hideProblem() {
  byId("problem").hidden = true;
  byId("problem-text").textContent = "";
}

// On the page.

function show() {
  const counts = new Map(list.rooms.map((room) => [room.name, room.people]));
  showJoined(joined().map(({ name, unread }) => (
    { name, title: titleOf(name), unread, people: counts.get(name), current: name === current })), open);
  showOthers(list.rooms.filter(({ name }) => !rooms.get(name)?.joined)
    .map(({ name, people }) => ({ name, title: titleOf(name), people })), joinAndOpen);
  showPeople(roomOf(current).roster.people, mine);
  const unread = joined().reduce((sum, room) => sum + room.unread, 0);
  document.title = `${unread > 0 ? `(${unread}) ` : ""}${ownName && current !== EVERYONE ? `${current} · ` : ""}Chat`;
}

/**
 * Shows a room this page is in.
 * @param {string} name
 */
function open(name) {
  const before = rooms.get(current);
  if (before) {
    before.draft = byId("text").value;
  }
  current = name;
  const room = roomOf(name);
  for (const { log } of rooms.values()) {
    log.show(log === room.log);
  }
  room.unread = 0;
  byId("title").textContent = titleOf(name);
  byId("text-label").textContent = `Message to ${name || "everyone"}`;
  byId("text").value = room.draft;
  byId("leave").hidden = name === EVERYONE;
  byId("people").classList.toggle("nobody", name === EVERYONE);
  closePanel(false);
  // A keyboard on the screen comes only when it is asked for.
  byId(matchMedia("(pointer: fine)").matches ? "text" : "title").focus();
  show();
  showNewer();
}

/** @param {string} name */
function joinAndOpen(name) {
  return attempt(async () => open(await join(name)));
}

/** Called when the reader has moved, or there is something new. */
function showNewer() {
  const room = roomOf(current);
  byId("newer").hidden = room.log.atEnd;
  byId("newer").textContent = room.unread > 0 ? "New messages ↓" : "To the newest ↓";
  if (room.log.atEnd && !document.hidden && room.unread > 0) {
    room.unread = 0;
    show();
  }
}

/**
 * @template {keyof HTMLElementEventMap} Event
 * @param {string} id
 * @param {Event} event
 * @param {(happened: HTMLElementEventMap[Event]) => void} action
 */
function on(id, event, action) {
  byId(id).addEventListener(event, (happened) => {
    if (event === "submit") {
      happened.preventDefault();
    }
    action(happened);
  });
}

on("link", "click", () => (state === "connected" ? link.close() : link.open()));
on("problem-close", "click", () => {
  hideProblem();
  (byId("chat").hidden ? byId("name") : byId("text")).focus();
});
on("enter-form", "submit", async () => {
  setName(byId("name").value);
  if (await attempt(async () => (current = await join(byId("first-room").value)))) {
    byId("enter").hidden = true;
    byId("chat").hidden = false;
    byId("skip").href = "#text";
    byId("skip").textContent = "Skip to the message box";
    open(current);
  }
});
on("room-form", "submit", async () => {
  if (await joinAndOpen(byId("room").value)) {
    byId("room").value = "";
  }
});
on("rename-form", "submit", () => attempt(async () => {
  await hub.invoke("Rename", byId("new-name").value);
  setName(byId("new-name").value);
}));
on("leave", "click", () => attempt(() => leave(current)));
on("newer", "click", () => {
  roomOf(current).log.toEnd();
  byId("text").focus();
});
on("text", "keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    byId("compose").requestSubmit();
  }
});
on("compose", "submit", () => {
  const text = byId("text").value;
  if (text.trim() === "") {
    return;
  }
  const room = current;
  byId("text").value = "";
  roomOf(room).log.toEnd();
  attempt(() => say(text)).then((said) => {
    if (!said && current === room && byId("text").value === "") {
      byId("text").value = text; // nothing that was written is lost
    }
  });
});
document.addEventListener("visibilitychange", showNewer);

roomOf(EVERYONE).joined = true;
roomOf(EVERYONE).log.note("What you say here reaches everyone who is connected, without your name");
setUpPanels();
link.open();
