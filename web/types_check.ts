// What the check of the page must refuse. The compiler complains about a line here that it would accept.

import type { ChatHubConnection } from "./static/hub.js";

export function refused(hub: ChatHubConnection) {
  // @ts-expect-error: there is no such method
  hub.invoke("Shout", "lobby");
  // @ts-expect-error: an argument is missing
  hub.invoke("Say", "lobby");
  // @ts-expect-error: an argument has the wrong type
  hub.send("Send", 1);
  // @ts-expect-error: the result has the wrong type
  hub.invoke("Join", "Ann", "lobby").then((room: string) => room);
  // @ts-expect-error: the method is no stream
  hub.stream("Send", "hello");
  // @ts-expect-error: there is no such event
  hub.on("lineRemoved", () => {});
  // @ts-expect-error: an argument of the event has the wrong type
  hub.on("messageReceived", (message: number) => message);
  // @ts-expect-error: there is no such event
  hub.off("lineRemoved");
}
