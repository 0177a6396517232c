// Helpers for the document. All text goes in as text, never as HTML.

export const byId = (id) => document.getElementById(id);

/** Makes an element: attributes by name, false and null leave one out; children are elements or text. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...children);
  return made;
}

/**
 * Makes the children of list match items, in order. The element of an item stays the same as long as its
 * key does, and with it the keyboard's focus.
 */
export function keyed(list, items, key, make, update) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
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

/** A round picture for a person: initials, in a colour that goes with the id. */
export function avatar(person) {
  let hue = 0;
  for (const character of person.id) {
    hue = (hue * 31 + character.codePointAt(0)) % 360;
  }
  const words = person.name.split(" ");
  const initials = words.length > 1 ? [words[0], words.at(-1)] : words;
  const picture = element("span", { class: "avatar", "aria-hidden": "true" },
    initials.map((word) => [...word][0]).join("").toUpperCase());
  picture.style.setProperty("--hue", hue);
  return picture;
}
