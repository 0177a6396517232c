// The connection to the hub: it comes up, and comes back by itself, for as long as it is wanted. From a short loss it comes
// back as it was, and nobody notices; from others as a new connection, of which the page is told.

/**
 * @import { ChatHubConnection } from "./hub.js"
 *
 * @typedef {"connecting" | "reconnecting" | "connected" | "disconnected"} State
 */

const { HubConnectionBuilder, LogLevel } = globalThis.signalR;

const FIRST_DELAY = 500; // ms
const LONGEST_DELAY = 10_000;

/**
 * How long to wait before an attempt, counted from 1: longer each time, and not the same for every page.
 * @param {number} attempt
 */
function delayBefore(attempt) {
  const longest = Math.min(FIRST_DELAY * 2 ** (attempt - 1), LONGEST_DELAY);
  return longest * (0.5 + Math.random() / 2);
}

export class Link {
  /**
   * The hub, for calls and handlers. Only the link starts and stops it.
   * @type {ChatHubConnection}
   */
  hub;
  #changed;
  #wish = 0; // grows with every open and close: an older one gives up

  /**
   * changed is called with the new state, the number of the attempt when "connecting" or "reconnecting", and the
   * error, if any, when "disconnected".
   * @param {string} url
   * @param {(state: State, detail?: { attempt?: number, error?: Error }) => void} changed
   */
  constructor(url, changed) {
    this.#changed = changed;
    this.hub = new HubConnectionBuilder()
      .withUrl(url)
      .withStatefulReconnect()
      .withAutomaticReconnect({
        nextRetryDelayInMilliseconds: ({ previousRetryCount }) => {
          changed("reconnecting", { attempt: previousRetryCount + 1 });
          return delayBefore(previousRetryCount + 1);
        },
      })
      .configureLogging(LogLevel.Critical) // what goes wrong is shown
      .build();
    this.hub.onreconnected(() => changed("connected"));
    this.hub.onclose((error) => changed("disconnected", { error }));
  }

  /** Connects, trying until it succeeds or close is called. */
  async open() {
    const wish = ++this.#wish;
    await this.hub.stop(); // what is still under way from before
    for (let attempt = 1; wish === this.#wish; attempt++) {
      this.#changed("connecting", { attempt });
      try {
        await this.hub.start();
        this.#changed("connected");
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, delayBefore(attempt)));
      }
    }
  }

  /** Disconnects, and stays so. */
  async close() {
    const wish = ++this.#wish;
    await this.hub.stop();
    if (wish === this.#wish) {
      this.#changed("disconnected");
    }
  }
}
