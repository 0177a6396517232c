// Code generated from the hub "ChatHub". DO NOT EDIT.

import type * as signalR from "@microsoft/signalr";

export interface Person {
  id: string;
  name: string;
}

export interface Line {
  id: number;
  at: number;
  kind: string;
  from: Person;
  text?: string;
}

export interface Roster {
  revision: number;
  people: Person[];
}

export interface View {
  room: string;
  lines: Line[];
  roster: Roster;
}

export interface Limits {
  name: number;
  room: number;
  text: number;
  rooms: number;
  roomsPerPerson: number;
  peoplePerRoom: number;
  history: number;
}

export interface RoomInfo {
  name: string;
  people: number;
}

export interface RoomList {
  revision: number;
  rooms: RoomInfo[];
}

export interface Welcome {
  you: Person;
  limits: Limits;
  rooms: RoomList;
  node?: string;
}

/** A HubConnection that knows the methods of the hub and of its clients. */
export interface ChatHubConnection extends signalR.HubConnection {
  /**
   * Join gives the caller a name and takes them into a room. It returns the room as
   * it is then.
   */
  invoke(methodName: "Join", name: string, room: string): Promise<View>;
  /** Leave takes the caller out of a room. */
  invoke(methodName: "Leave", room: string): Promise<void>;
  /** Rename gives the caller another name. */
  invoke(methodName: "Rename", name: string): Promise<void>;
  /** Say says something in a room that the caller is in. */
  invoke(methodName: "Say", room: string, text: string): Promise<void>;
  /** Send sends a message to everyone who is connected, in whatever room. */
  invoke(methodName: "Send", message: string): Promise<void>;
  /**
   * Join gives the caller a name and takes them into a room. It returns the room as
   * it is then.
   */
  send(methodName: "Join", name: string, room: string): Promise<void>;
  /** Leave takes the caller out of a room. */
  send(methodName: "Leave", room: string): Promise<void>;
  /** Rename gives the caller another name. */
  send(methodName: "Rename", name: string): Promise<void>;
  /** Say says something in a room that the caller is in. */
  send(methodName: "Say", room: string, text: string): Promise<void>;
  /** Send sends a message to everyone who is connected, in whatever room. */
  send(methodName: "Send", message: string): Promise<void>;
  stream<T>(methodName: never): signalR.IStreamResult<T>;
  on(methodName: "messageReceived", handler: (message: string) => void): void;
  on(methodName: "welcome", handler: (welcome: Welcome) => void): void;
  on(methodName: "roomsChanged", handler: (rooms: RoomList) => void): void;
  on(methodName: "peopleChanged", handler: (room: string, roster: Roster) => void): void;
  on(methodName: "lineAdded", handler: (room: string, line: Line) => void): void;
  off(methodName: "messageReceived", handler?: (message: string) => void): void;
  off(methodName: "welcome", handler?: (welcome: Welcome) => void): void;
  off(methodName: "roomsChanged", handler?: (rooms: RoomList) => void): void;
  off(methodName: "peopleChanged", handler?: (room: string, roster: Roster) => void): void;
  off(methodName: "lineAdded", handler?: (room: string, line: Line) => void): void;
}
