package main

// Kinds of lines in a room.
const (
	kindSaid    = "said"    // Text is what From said
	kindJoined  = "joined"  // From came into the room
	kindLeft    = "left"    // From left the room, or the connection ended
	kindRenamed = "renamed" // From, whose name was Text, has a new name
)

// Person is somebody who is connected. The id names one connection for as long
// as it lives. It is not the connection id, which clients that skip the
// negotiation could use to act as somebody else.
type Person struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Line is one entry of a room's conversation.
type Line struct {
	// ID grows with every line of a room. Lines may overtake each other on their
	// way, and a newcomer may get the same line as history and as news: whoever
	// shows lines sorts by ID and shows each once.
	ID   int64  `json:"id"`
	At   int64  `json:"at"` // milliseconds since 1970, UTC
	Kind string `json:"kind"`
	From Person `json:"from"`
	Text string `json:"text,omitempty"`
}

// Roster is who is in a room, by name. Of two rosters of a room, the one with
// the greater Revision is the later.
type Roster struct {
	Revision int64    `json:"revision"`
	People   []Person `json:"people"`
}

// RoomList is all rooms there are. Of two lists, the one with the greater
// Revision is the later.
type RoomList struct {
	Revision int64      `json:"revision"`
	Rooms    []RoomInfo `json:"rooms"`
}

// RoomInfo is a room and how many people are in it.
type RoomInfo struct {
	Name   string `json:"name"`
	People int    `json:"people"`
}

// Welcome is what a client is told when it has connected.
type Welcome struct {
	You    Person   `json:"you"`
	Limits Limits   `json:"limits"`
	Rooms  RoomList `json:"rooms"`
	// Node is the name of the process that the client is connected to, if there
	// are several.
	Node string `json:"node,omitempty"`
}

// View is a room as its members see it.
type View struct {
	Room   string `json:"room"`
	Lines  []Line `json:"lines"`
	Roster Roster `json:"roster"`
}

// Change is what one step has altered and others must be told.
type Change struct {
	Lines   []RoomLine
	Rosters []RoomRoster
	Rooms   *RoomList // nil if no count has changed
}

// RoomLine is a new line of a room.
type RoomLine struct {
	Room string
	Line Line
}

// RoomRoster is the new roster of a room.
type RoomRoster struct {
	Room   string
	Roster Roster
}
