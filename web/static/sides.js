// The lists beside the conversation: the rooms, and who is here.

import { avatar, byId, element, keyed } from "./dom.js";

/** Shows the rooms this page is in: { name, title, unread, people, current }; people may be undefined. */
export function showJoined(rooms, open) {
  keyed(byId("joined"), rooms, ({ name }) => name, ({ name }) => roomItem(name, open), (item, room) => {
    fillRoom(item, room.title, room.people);
    item.firstElementChild.setAttribute("aria-current", room.current);
    fillUnread(item.querySelector(".badge"), room.unread);
  });
  fillUnread(byId("unread"), rooms.reduce((sum, { unread }) => sum + unread, 0));
}

/** Shows the other rooms there are: { name, title, people }. */
export function showOthers(rooms, join) {
  keyed(byId("others"), rooms, ({ name }) => name, ({ name }) => roomItem(name, join, "Join "),
    (item, room) => fillRoom(item, room.title, room.people));
  byId("others-title").hidden = rooms.length === 0;
  keyed(byId("room-names"), rooms, ({ name }) => name, ({ name }) => element("option", { value: name }), () => {});
}

function roomItem(name, chosen, verb = "") {
  const button = element("button", { type: "button" },
    element("span", { class: "unseen" }, verb),
    element("bdi", { class: "name" }),
    element("span", { class: "badge", hidden: true }),
    element("span", { class: "count" }));
  button.addEventListener("click", () => chosen(name));
  return element("li", {}, button);
}

function fillRoom(item, title, people) {
  item.querySelector(".name").textContent = title;
  item.querySelector(".count").replaceChildren(...spoken(people, " here"));
}

function fillUnread(badge, unread) {
  badge.hidden = unread === 0;
  badge.replaceChildren(...spoken(unread, " unread"));
}

/** A number, and what it counts for those who do not see where it stands. */
function spoken(number, what) {
  return number === undefined ? [] : [String(number), element("span", { class: "unseen" }, what)];
}

/** Shows who is in a room; mine(id) tells whether a person is this page's user. */
export function showPeople(people, mine) {
  keyed(byId("roster"), people, (person) => person.id + person.name, (person) => element("li", {},
    avatar(person), element("bdi", { class: "name" }, person.name),
    ...(mine(person.id) ? [element("span", { class: "you" }, "you")] : [])), () => {});
  byId("here").replaceChildren(...spoken(people.length || undefined, " here"));
}
