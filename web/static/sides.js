// The lists beside the conversation: the rooms, and who is here.

import { avatar, byId, element, find, keyed } from "./dom.js";

/** @import { Person } from "./hub.js" */

/**
 * Shows the rooms this page is in.
 * @param {{ name: string, title: string, unread: number, people: number | undefined, current: boolean }[]} rooms
 * @param {(name: string) => void} open
 */
export function showJoined(rooms, open) {
  keyed(byId("joined"), rooms, ({ name }) => name, ({ name }) => roomItem(name, open), (item, room) => {
    fillRoom(item, room.title, room.people);
    find(item, "button").setAttribute("aria-current", String(room.current));
    fillUnread(find(item, ".badge"), room.unread);
  });
  fillUnread(byId("unread"), rooms.reduce((sum, { unread }) => sum + unread, 0));
}

/**
 * Shows the other rooms there are.
 * @param {{ name: string, title: string, people: number }[]} rooms
 * @param {(name: string) => void} join
 */
export function showOthers(rooms, join) {
  keyed(byId("others"), rooms, ({ name }) => name, ({ name }) => roomItem(name, join, "Join "),
    (item, room) => fillRoom(item, room.title, room.people));
  byId("others-title").hidden = rooms.length === 0;
  keyed(byId("room-names"), rooms, ({ name }) => name, ({ name }) => element("option", { value: name }), () => {});
}

/**
 * @param {string} name
 * @param {(name: string) => void} chosen
 */
function roomItem(name, chosen, verb = "") {
  const button = element("button", { type: "button" },
    element("span", { class: "unseen" }, verb),
    element("bdi", { class: "name" }),
    element("span", { class: "badge", hidden: true }),
    element("span", { class: "count" }));
  button.addEventListener("click", () => chosen(name));
  return element("li", {}, button);
}

/**
 * @param {HTMLElement} item
 * @param {string} title
 * @param {number | undefined} people
 */
function fillRoom(item, title, people) {
  find(item, ".name").textContent = title;
  find(item, ".count").replaceChildren(...spoken(people, " here"));
}

/**
 * @param {HTMLElement} badge
 * @param {number} unread
 */
function fillUnread(badge, unread) {
  badge.hidden = unread === 0;
  badge.replaceChildren(...spoken(unread, " unread"));
}

/**
 * A number, and what it counts for those who do not see where it stands.
 * @param {number | undefined} number
 * @param {string} what
 */
function spoken(number, what) {
  return number === undefined ? [] : [String(number), element("span", { class: "unseen" }, what)];
}

/**
 * Shows who is in a room; mine(id) tells whether a person is this page's user.
 * @param {Person[]} people
 * @param {(id: string) => boolean} mine
 */
export function showPeople(people, mine) {
  keyed(byId("roster"), people, (person) => person.id + person.name, (person) => element("li", {},
    avatar(person), element("bdi", { class: "name" }, person.name),
    ...(mine(person.id) ? [element("span", { class: "you" }, "you")] : [])), () => {});
  byId("here").replaceChildren(...spoken(people.length || undefined, " here"));
}
