// The connection to the hub: it comes up, and comes back by itself, for as long as it is wanted.

const { HubConnectionBuilder, LogLevel } = globalThis.signalR;

const FIRST_DELAY = 500; // ms
const LONGEST_DELAY = 10_000;

/** How long to wait before an attempt, counted from 1: longer each time, and not the same for every page. */
function delayBefore(attempt) {
  const longest = Math.min(FIRST_DELAY * 2 ** (attempt - 1), LONGEST_DELAY);
  return longest * (0.5 + Math.random() / 2);
}

export class Link {
  #hub;
  #changed;
  #wish = 0; // grows with every open and close: an older one gives up

  /**
   * changed(state, detail) is called with "connecting" or "reconnecting" and the number of the attempt,
   * "connected", and "disconnected" with the error or nothing.
   */
  constructor(url, changed) {
    this.#changed = changed;
    this.#hub = new HubConnectionBuilder()
      .withUrl(url)
      .withAutomaticReconnect({
        nextRetryDelayInMilliseconds: ({ previousRetryCount }) => {
          changed("reconnecting", previousRetryCount + 1);
          return delayBefore(previousRetryCount + 1);
        },
      })
      .configureLogging(LogLevel.Critical) // what goes wrong is shown
      .build();
    this.#hub.onreconnected(() => changed("connected"));
    this.#hub.onclose((error) => changed("disconnected", error));
  }

  /** Calls handler when the server calls the method. */
  on(method, handler) {
    this.#hub.on(method, handler);
  }

  /** Calls a method of the hub. */
  invoke(method, ...args) {
    return this.#hub.invoke(method, ...args);
  }

  /** Connects, trying until it succeeds or close is called. */
  async open() {
    const wish = ++this.#wish;
    await this.#hub.stop(); // what is still under way from before
    for (let attempt = 1; wish === this.#wish; attempt++) {
      this.#changed("connecting", attempt);
      try {
        await this.#hub.start();
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
    await this.#hub.stop();
    if (wish === this.#wish) {
      this.#changed("disconnected");
    }
  }
}
