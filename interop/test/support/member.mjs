// A client of a farm, in Node or in a page: a connection to one node's /farmhub, what it has heard, and how it answers.

import { Log, TimeoutError, boundMethods, within } from "./wait.mjs";

/**
 * Connects with { signalR, MessagePackHubProtocol }. Everything that a member returns can be passed on from a page as it
 * is.
 */
export async function connectMember({ signalR, MessagePackHubProtocol }, url, { user = "", protocol = "json" } = {}) {
  const builder = new signalR.HubConnectionBuilder()
    .configureLogging(signalR.LogLevel.None)
    .withUrl(`${url}/farmhub?user=${user}`);
  if (protocol === "messagepack") {
    builder.withHubProtocol(new MessagePackHubProtocol());
  }
  const connection = builder.build();
  boundMethods(connection, "/farmhub", "start", "invoke", "stop");
  const heard = new Log("texts heard");
  connection.on("Message", (text) => heard.add(text));

  let askedOnce;
  const asked = new Promise((resolve) => (askedOnce = resolve));
  const answers = {
    number: () => 42,
    error: () => {
      throw new Error("not today");
    },
    leave: () => connection.stop(),
    never: () => new Promise(() => {}),
  };
  const closed = new Promise((resolve) => connection.onclose((error) => resolve(error?.message)));
  const member = {
    /** Resolves with { value } or { error }, the text of the error without the client's own words. */
    invoke: (...args) =>
      connection.invoke(...args).then(
        (value) => ({ value }),
        (error) => {
          if (error instanceof TimeoutError) {
            throw error;
          }
          return { error: error.message.replace(/^.*HubException: /, "") };
        },
      ),
    /** The texts heard since the first `from`. */
    heard: (from = 0) => heard.items.slice(from),
    /** Resolves when the text has been heard. */
    until: (text) => heard.has(text).then(() => {}),
    /** Says how "Ask" is answered from now on: by a name of answers, or not at all. */
    answer(how) {
      connection.off("Ask");
      if (how) {
        connection.on("Ask", () => {
          askedOnce();
          return answers[how]();
        });
      }
    },
    /** Resolves when the client has been asked, unless it answers not at all. */
    asked: () => within(asked, "the client to be asked"),
    /** Resolves with the error's text, if any, when the connection has ended. */
    closed: () => within(closed, "the close event", { seen: () => connection.state }),
    stop: () => connection.stop(),
  };
  member.answer("number");
  await connection.start();
  return { id: connection.connectionId, member };
}
