// On small screens the rooms and the people lie over the conversation, one at a time, when asked for.

import { byId, find } from "./dom.js";

const openers = new Map([["rooms", byId("open-rooms")], ["people", byId("open-people")]]);
const shell = byId("chat");

/** Closes the open panel. The focus goes back to its opener, unless it is to go elsewhere. */
export function closePanel(returnFocus = true) {
  const opener = openers.get(shell.dataset.panel ?? "");
  if (!opener) {
    return;
  }
  delete shell.dataset.panel;
  opener.setAttribute("aria-expanded", "false");
  if (returnFocus) {
    opener.focus();
  }
}

/**
 * @param {string} name
 * @param {HTMLElement} opener
 */
function openPanel(name, opener) {
  closePanel(false);
  shell.dataset.panel = name;
  opener.setAttribute("aria-expanded", "true");
  find(byId(name), ".close").focus();
}

/** Makes the openers and closers work. */
export function setUpPanels() {
  for (const [name, opener] of openers) {
    opener.addEventListener("click", () => (shell.dataset.panel === name ? closePanel() : openPanel(name, opener)));
    find(byId(name), ".close").addEventListener("click", () => closePanel());
    byId(name).addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget instanceof Node && !byId(name).contains(relatedTarget)) {
        closePanel(false); // the focus must not go where it cannot be seen
      }
    });
  }
  document.addEventListener("keydown", ({ key }) => key === "Escape" && closePanel());
}
