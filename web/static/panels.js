// On small screens the rooms and the people lie over the conversation, one at a time, when asked for.

import { byId } from "./dom.js";

const openers = new Map([["rooms", byId("open-rooms")], ["people", byId("open-people")]]);
const shell = byId("chat");

/** Closes the open panel. The focus goes back to its opener, unless it is to go elsewhere. */
export function closePanel(returnFocus = true) {
  const open = shell.dataset.panel;
  if (!open) {
    return;
  }
  delete shell.dataset.panel;
  const opener = openers.get(open);
  opener.setAttribute("aria-expanded", "false");
  if (returnFocus) {
    opener.focus();
  }
}

function openPanel(name) {
  closePanel(false);
  shell.dataset.panel = name;
  openers.get(name).setAttribute("aria-expanded", "true");
  byId(name).querySelector(".close").focus();
}

/** Makes the openers and closers work. */
export function setUpPanels() {
  for (const [name, opener] of openers) {
    opener.addEventListener("click", () => (shell.dataset.panel === name ? closePanel() : openPanel(name)));
    byId(name).querySelector(".close").addEventListener("click", () => closePanel());
    byId(name).addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && !byId(name).contains(relatedTarget)) {
        closePanel(false); // the focus must not go where it cannot be seen
      }
    });
  }
  document.addEventListener("keydown", ({ key }) => key === "Escape" && closePanel());
}
