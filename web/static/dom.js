// Helpers for the document. All text goes in as text, never as HTML.

/**
 * @import { Person } from "./hub.js"
 *
 * @typedef {object} Special The elements of the page that are of a special kind, by id.
 * @property {HTMLFormElement} compose
 * @property {HTMLInputElement} first-room
 * @property {HTMLInputElement} name
 * @property {HTMLInputElement} new-name
 * @property {HTMLInputElement} room
 * @property {HTMLAnchorElement} skip
 * @property {HTMLTextAreaElement} text
 */

/**
 * The element of the page with this id, which must be there.
 * @template {string} Id
 * @param {Id} id
 * @returns {Id extends keyof Special ? Special[Id] : HTMLElement}
 */
export const byId = (id) => /** @type {any} */ (document.getElementById(id));

/**
 * The first element in parent that the selector chooses, which must be there.
 * @param {ParentNode} parent
 * @param {string} selector
 */
export const find = (parent, selector) => /** @type {HTMLElement} */ (parent.querySelector(selector));

/**
 * Makes an element: attributes by name, false and null leave one out; children are elements or text.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | boolean | null>} attributes
 * @param {(Node | string)[]} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null) {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...children);
  return made;
}

/**
 * Makes the children of list match items, in order. The element of an item stays the same as long as its
 * key does, and with it the keyboard's focus.
 * @template Item
 * @param {Element} list
 * @param {Item[]} items
 * @param {(item: Item) => string} key
 * @param {(item: Item) => HTMLElement} make
 * @param {(child: HTMLElement, item: Item) => void} update
 */
export function keyed(list, items, key, make, update) {
  const children = /** @type {HTMLElement[]} */ ([...list.children]);
  const old = new Map(children.map((child) => [child.dataset.key, child]));
  let before = list.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let child = old.get(name);
    old.delete(name);
    if (!child) {
      child = make(item);
      child.dataset.key = name;
    }
    update(child, item);
    if (child === before) {
      before = before.nextElementSibling;
    } else {
      list.insertBefore(child, before);
    }
  }
  for (const gone of old.values()) {
    gone.remove();
  }
}

/**
 * A round picture for a person: initials, in a colour that goes with the id.
 * @param {Person} person
 */
export function avatar(person) {
  let hue = 0;
  for (const character of person.id) {
    hue = (hue * 31 + (character.codePointAt(0) ?? 0)) % 360;
  }
  const words = person.name.split(" ");
  const initials = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  const picture = element("span", { class: "avatar", "aria-hidden": "true" },
    initials.map((word) => [...word][0]).join("").toUpperCase());
  picture.style.setProperty("--hue", String(hue));
  return picture;
}
