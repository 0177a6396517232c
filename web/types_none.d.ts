// Code generated from the hub "none". DO NOT EDIT.

import type * as signalR from "@microsoft/signalr";

/** A HubConnection that knows the methods of the hub and of its clients. */
export interface NoneConnection extends signalR.HubConnection {
  invoke<T>(methodName: never): Promise<T>;
  send(methodName: never): Promise<void>;
  stream<T>(methodName: never): signalR.IStreamResult<T>;
  on(methodName: never, handler: never): void;
  off(methodName: never): void;
}
