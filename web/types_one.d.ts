// Code generated from the hub "one". DO NOT EDIT.

import type * as signalR from "@microsoft/signalr";

/** A HubConnection that knows the methods of the hub and of its clients. */
export interface OneConnection extends signalR.HubConnection {
  invoke<T>(methodName: never): Promise<T>;
  invoke(methodName: "Double", n: number): Promise<number>;
  send(methodName: "Double", n: number): Promise<void>;
  stream<T>(methodName: never): signalR.IStreamResult<T>;
  stream(methodName: "Count", to: number): signalR.IStreamResult<number>;
  on(methodName: "Notify", handler: (text: string) => void): void;
  off(methodName: "Notify", handler?: (text: string) => void): void;
}
