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
export interface ChatHubConnection extends Omit<signalR.HubConnection, "invoke" | "send" | "stream" | "on" | "off"> {
  invoke(method: "Join", arg1: string, arg2: string): Promise<View>;
  invoke(method: "Leave", arg1: string): Promise<void>;
  invoke(method: "Rename", arg1: string): Promise<void>;
  invoke(method: "Say", arg1: string, arg2: string): Promise<void>;
  invoke(method: "Send", arg1: string): Promise<void>;
  send(method: "Join", arg1: string, arg2: string): Promise<void>;
  send(method: "Leave", arg1: string): Promise<void>;
  send(method: "Rename", arg1: string): Promise<void>;
  send(method: "Say", arg1: string, arg2: string): Promise<void>;
  send(method: "Send", arg1: string): Promise<void>;
  on(method: "messageReceived", handler: (arg1: string) => void): void;
  on(method: "welcome", handler: (arg1: Welcome) => void): void;
  on(method: "roomsChanged", handler: (arg1: RoomList) => void): void;
  on(method: "peopleChanged", handler: (arg1: string, arg2: Roster) => void): void;
  on(method: "lineAdded", handler: (arg1: string, arg2: Line) => void): void;
  off(method: "messageReceived", handler?: (arg1: string) => void): void;
  off(method: "welcome", handler?: (arg1: Welcome) => void): void;
  off(method: "roomsChanged", handler?: (arg1: RoomList) => void): void;
  off(method: "peopleChanged", handler?: (arg1: string, arg2: Roster) => void): void;
  off(method: "lineAdded", handler?: (arg1: string, arg2: Line) => void): void;
}
