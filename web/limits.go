package main

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-signalr/signalr/hubs"
)

// Limits bounds what people can make the chat keep. Lengths are in characters
// (code points).
type Limits struct {
	Name           int `json:"name"`
	Room           int `json:"room"`
	Text           int `json:"text"`
	Rooms          int `json:"rooms"`          // in all
	RoomsPerPerson int `json:"roomsPerPerson"` // at once
	PeoplePerRoom  int `json:"peoplePerRoom"`  // at once
	History        int `json:"history"`        // lines kept of each room

	// Of all connections of a visitor together.
	ConnectionsPerVisitor int `json:"-"` // at once
	RoomsPerVisitor       int `json:"-"` // that they have made and that are still there
}

func defaultLimits() Limits {
	return Limits{
		Name:           32,
		Room:           32,
		Text:           2000,
		Rooms:          50,
		RoomsPerPerson: 10,
		PeoplePerRoom:  200,
		History:        100,

		ConnectionsPerVisitor: 40,
		RoomsPerVisitor:       10,
	}
}

// cleanName returns a person's name without needless white space.
func (l Limits) cleanName(name string) (string, error) {
	name = strings.Join(strings.Fields(name), " ")
	switch {
	case name == "":
		return "", hubs.NewError("Please give a name.")
	case utf8.RuneCountInString(name) > l.Name:
		return "", hubs.Errorf("A name has at most %d characters.", l.Name)
	case strings.ContainsFunc(name, unprintable):
		return "", hubs.NewError("The name has a character that cannot be shown.")
	}
	return name, nil
}

// cleanRoom returns the name of a room as it is kept: "Go  Talk" is "go-talk".
func (l Limits) cleanRoom(room string) (string, error) {
	room = strings.ToLower(strings.Join(strings.Fields(room), "-"))
	switch {
	case room == "":
		return "", hubs.NewError("Please name a room.")
	case utf8.RuneCountInString(room) > l.Room:
		return "", hubs.Errorf("The name of a room has at most %d characters.", l.Room)
	case strings.ContainsFunc(room, func(c rune) bool {
		return !unicode.In(c, unicode.L, unicode.M, unicode.N) && c != '-' && c != '_'
	}):
		return "", hubs.NewError("The name of a room has only letters, digits, - and _.")
	}
	return room, nil
}

// cleanText returns what somebody says without white space around it.
func (l Limits) cleanText(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return "", hubs.NewError("The message is empty.")
	}
	if err := l.checkText(text); err != nil {
		return "", err
	}
	return text, nil
}

// checkText returns an error if a message is too long.
func (l Limits) checkText(text string) error {
	if utf8.RuneCountInString(text) > l.Text {
		return hubs.Errorf("A message has at most %d characters.", l.Text)
	}
	return nil
}

// unprintable reports whether a character has no place in a name: controls, and
// those that change the direction of what follows. Joiners are part of some
// scripts and of many emoji.
func unprintable(c rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return !unicode.IsPrint(c) && c != nonJoiner && c != joiner
}
