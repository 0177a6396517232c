// The chat's page: what it knows, and what happens when.

import { byId } from "./dom.js";
import { Link } from "./link.js";
import { Log } from "./log.js";
import { closePanel, setUpPanels } from "./panels.js";
import { showJoined, showOthers, showPeople } from "./sides.js";

const EVERYONE = ""; // the place of messages to everyone: no room has an empty name

const rooms = new Map(); // name → room
const ownIds = new Set(); // every connection has an id of its own; this page may have had several
let list = { revision: 0, rooms: [] }; // all rooms there are
let current = EVERYONE;
let ownName = "";
let state = "connecting";

const mine = (id) => ownIds.has(id);
const titleOf = (name) => (name === EVERYONE ? "Everyone" : `# ${name}`);
const joined = () => [...rooms.values()].filter((room) => room.joined);

/** What the page knows of a room. News may come before the answer to the call that joined it. */
function roomOf(name) {
  if (!rooms.has(name)) {
    const log = new Log(`Messages in ${name || "everyone"}`, mine, showNewer);
    byId("logs").prepend(log.element);
    rooms.set(name, { name, log, joined: false, roster: { revision: 0, people: [] }, unread: 0, draft: "" });
  }
  return rooms.get(name);
}

// From the server.

const link = new Link("/chat", linkChanged);

link.on("welcome", ({ you, limits, rooms }) => {
  ownIds.add(you.id);
  setLimits(limits);
  setRooms(rooms);
});
link.on("roomsChanged", setRooms);
link.on("peopleChanged", setRoster);
link.on("lineAdded", (name, line) => {
  const room = roomOf(name);
  const unseen = name !== current || document.hidden || !room.log.atEnd;
  if (room.log.add(line) && room.joined && unseen && line.kind === "said" && !mine(line.from.id)) {
    room.unread++;
    show();
  }
});
link.on("messageReceived", (message) => {
  for (const room of joined()) {
    room.log.announce(message, Date.now());
  }
  showNewer();
});

function setLimits({ name, room, text }) {
  byId("name").maxLength = byId("new-name").maxLength = name;
  byId("first-room").maxLength = byId("room").maxLength = room;
  byId("text").maxLength = text;
}

function setRooms(rooms) {
  if (rooms.revision > list.revision) {
    list = rooms;
    show();
  }
}

function setRoster(name, roster) {
  const room = roomOf(name);
  if (roster.revision > room.roster.revision) {
    room.roster = roster;
    show();
  }
}

function linkChanged(now, detail) {
  const texts = {
    connecting: detail > 1 ? `Connecting, attempt ${detail}…` : "Connecting…",
    connected: "Connected",
    reconnecting: `Reconnecting, attempt ${detail}…`,
    disconnected: "Disconnected",
  };
  const lost = state === "connected" && now !== "connected";
  state = now;
  byId("state").dataset.state = now;
  byId("state").textContent = texts[now];
  byId("link").textContent = { connected: "Disconnect", reconnecting: "Try now" }[now] ?? "Reconnect";
  byId("link").hidden = now === "connecting";
  if (lost) {
    joined().forEach((room) => room.log.note("You were disconnected", Date.now()));
  }
  if (now === "disconnected" && detail) {
    showProblem(detail);
  }
  if (now === "connected") {
    hideProblem();
    rejoin();
  }
}

// To the server.

async function join(name) {
  const view = await link.invoke("Join", ownName, name);
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

async function leave(name) {
  await link.invoke("Leave", name);
  forget(rooms.get(name));
}

function forget(room) {
  room.log.element.remove();
  rooms.delete(room.name);
  if (room.name === current) {
    open(joined().at(-1).name);
  } else {
    show();
  }
}

async function say(text) {
  await (current === EVERYONE ? link.invoke("Send", text) : link.invoke("Say", current, text));
}

function setName(name) {
  ownName = name.trim();
  byId("new-name").value = ownName;
}

/** Does what the user asked for, and tells whether it worked; shows why if not. */
async function attempt(action) {
  try {
    await action();
    hideProblem();
    return true;
  } catch (error) {
    showProblem(error);
    return false;
  }
}

function showProblem(error) {
  const waiting = state === "connecting" || state === "reconnecting";
  byId("problem-text").textContent = waiting
    ? "There is no connection just now. Try again when it is back."
    : error.message.replace(/^.*\bHubException: /s, "");
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

/** Shows a room this page is in. */
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
  await link.invoke("Rename", byId("new-name").value);
  setName(byId("new-name").value);
}));
on("leave", "click", () => attempt(() => leave(current)));
on("newer", "click", () => {
  rooms.get(current).log.toEnd();
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
  rooms.get(room).log.toEnd();
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
