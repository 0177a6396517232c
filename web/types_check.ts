// What the check of the page must refuse. The compiler complains about a line here that it would accept.

import { HubConnection, HubConnectionBuilder } from "@microsoft/signalr";
import type { ChatHubConnection } from "./static/hub.js";
import type { NoneConnection } from "./types_none.js";
import type { OneConnection } from "./types_one.js";

// A connection of the official client is one of the hub's, and the other way round.
export function assigned(pass: (connection: HubConnection) => void) {
  const chat: ChatHubConnection = new HubConnectionBuilder().withUrl("/chat").build();
  const none: NoneConnection = new HubConnectionBuilder().withUrl("/none").build();
  const one: OneConnection = new HubConnectionBuilder().withUrl("/one").build();
  [chat, none, one].forEach(pass);
  one.on("Notify", text => text.length);
  one.off("Notify");
  one.stream("Count", 3).subscribe({ next: n => n.toFixed(), error: () => {}, complete: () => {} });
  return one.invoke("Double", 2).then(n => n.toFixed());
}

export function refusedOfSmallHubs(none: NoneConnection, one: OneConnection) {
  // @ts-expect-error: there are no methods
  none.invoke("Double", 2);
  // @ts-expect-error: there are no methods
  none.send("Double", 2);
  // @ts-expect-error: there are no streams
  none.stream("Count", 2);
  // @ts-expect-error: there are no events
  none.on("Notify", () => {});
  // @ts-expect-error: an argument has the wrong type
  one.invoke("Double", "2");
  // @ts-expect-error: there is no such method
  one.send("Triple", 2);
  // @ts-expect-error: the method is no stream
  one.stream("Double", 2);
  // @ts-expect-error: there is no such event
  one.on("Other", () => {});
}

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
