// The conversation of one room: a list of lines in the order of their ids, each once.

import { avatar, element } from "./dom.js";

/** @import { Line } from "./hub.js" */

const MOST_LINES = 500;
const SAME_BREATH = 5 * 60_000; // ms within which lines of one person stand together
const NEAR = 80; // px from the end at which a reader follows the conversation

const timeOfDay = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export class Log {
  #list = element("ol");
  /** @type {{ order: number, line?: Line, item: HTMLElement }[]} */
  #entries = [];
  #mine;
  #follows = true;
  #top = 0;
  #height = 0;

  /**
   * mine(id) tells whether a person is this page's user. scrolled() is called when the reader moves.
   * @param {string} label
   * @param {(id: string) => boolean} mine
   * @param {() => void} scrolled
   */
  constructor(label, mine, scrolled) {
    this.#mine = mine;
    this.element = element("div",
      { class: "log", role: "log", "aria-live": "polite", "aria-label": label, tabindex: "0", hidden: true },
      this.#list);
    this.element.addEventListener("scroll", () => {
      const { scrollTop, clientHeight, scrollHeight } = this.element;
      if (clientHeight !== this.#height) {
        return; // it is not the reader who moved: see below
      }
      this.#top = scrollTop;
      this.#follows = scrollHeight - scrollTop - clientHeight < NEAR;
      scrolled();
    });
    // Something has come above or below, such as a keyboard on the screen.
    new ResizeObserver(() => {
      this.#height = this.element.clientHeight;
      if (this.#follows) {
        this.toEnd();
      }
      scrolled();
    }).observe(this.element);
  }

  /** Whether the newest line is in sight. */
  get atEnd() {
    return this.#follows;
  }

  /**
   * Adds a line of the server, and tells whether it was new.
   * @param {Line} line
   */
  add(line) {
    let place = this.#entries.length;
    while (place > 0 && this.#entries[place - 1].order > line.id) {
      place--;
    }
    for (let i = place; i > 0 && this.#entries[i - 1].order === line.id; i--) {
      if (this.#entries[i - 1].line?.id === line.id) {
        return false;
      }
    }
    this.#insert(place, { order: line.id, line, item: this.#itemOf(line) });
    return true;
  }

  /**
   * Adds a message that was sent to everyone, without a room or a sender.
   * @param {string} text
   * @param {number} at
   */
  announce(text, at) {
    this.#append(element("li", { class: "announcement" },
      element("span", { class: "label" }, "To everyone"), timeElement(at),
      element("p", { class: "text", dir: "auto" }, text)));
  }

  /**
   * Adds a notice of the page itself, with a time or without.
   * @param {string} text
   * @param {number} [at]
   */
  note(text, at) {
    this.#append(notice(at, text));
  }

  /**
   * Shows or hides the conversation.
   * @param {boolean} shown
   */
  show(shown) {
    this.element.hidden = !shown; // which forgets how far it was scrolled
    if (shown && this.#follows) {
      this.toEnd();
    } else if (shown) {
      this.element.scrollTop = this.#top;
    }
  }

  toEnd() {
    this.#follows = true;
    this.element.scrollTop = this.element.scrollHeight;
  }

  /**
   * Adds what has no id: it stays where it came.
   * @param {HTMLElement} item
   */
  #append(item) {
    this.#insert(this.#entries.length, { order: this.#entries.at(-1)?.order ?? 0, item });
  }

  /**
   * @param {number} place
   * @param {{ order: number, line?: Line, item: HTMLElement }} entry
   */
  #insert(place, entry) {
    const next = this.#entries[place];
    this.#list.insertBefore(entry.item, next?.item ?? null);
    this.#entries.splice(place, 0, entry);
    if (this.#entries.length > MOST_LINES) {
      this.#entries.shift()?.item.remove();
      place--;
    }
    this.#join(place);
    this.#join(place + 1);
    if (this.#follows) {
      this.toEnd();
    }
  }

  /**
   * Joins an entry to the one above it: lines that one person says in one breath share name and picture.
   * @param {number} place
   */
  #join(place) {
    const [above, entry] = [this.#entries[place - 1]?.line, this.#entries[place]];
    entry?.item.classList.toggle("continued",
      entry.line?.kind === "said" && above?.kind === "said" &&
      above.from.id === entry.line.from.id && entry.line.at - above.at < SAME_BREATH);
  }

  /** @param {Line} line */
  #itemOf(line) {
    const own = this.#mine(line.from.id);
    switch (line.kind) {
      case "said":
        return element("li", { class: own ? "said own" : "said" },
          avatar(line.from),
          element("p", { class: "who" }, own ? "You" : name(line.from.name), timeElement(line.at)),
          element("p", { class: "text", dir: "auto" }, line.text ?? ""));
      case "joined":
        return notice(line.at, own ? "You" : name(line.from.name), " joined");
      case "left":
        return notice(line.at, own ? "You" : name(line.from.name), " left");
      case "renamed":
        return notice(line.at, ...(own ? ["You are"] : [name(line.text ?? ""), " is"]), " now ", name(line.from.name));
      default: // of a newer server
        return notice(line.at);
    }
  }
}

/**
 * @param {number | undefined} at
 * @param {(Node | string)[]} parts
 */
function notice(at, ...parts) {
  return element("li", { class: "notice" }, element("span", {}, ...parts), ...(at ? [timeElement(at)] : []));
}

/**
 * A name may be written in another direction than what is around it.
 * @param {string} text
 */
function name(text) {
  return element("bdi", {}, text);
}

/** @param {number} at */
function timeElement(at) {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  return element("time", { datetime: date.toISOString(), title: dayAndTime.format(date) },
    (today ? timeOfDay : dayAndTime).format(date));
}
