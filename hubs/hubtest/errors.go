package hubtest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Error is the server's refusal of a call, or the failure of its method.
type Error struct {
	// Text is what the server says, its general words included.
	Text string
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// ClosedError means that the connection has ended.
type ClosedError struct {
	// Text is the reason that the server gave, empty if it gave none or said
	// nothing at all.
	Text string
	// AllowReconnect says that the server invites the client to connect anew.
	AllowReconnect bool
}

// Error returns a text that includes the server's.
func (e *ClosedError) Error() string {
	if e.Text == "" {
		return "hubtest: the connection has ended"
	}
	return "hubtest: the connection has ended: " + e.Text
}

// StatusError is an HTTP answer that refuses a connection.
type StatusError struct {
	// Code is the status.
	Code int
	// Body is the beginning of the answer's body.
	Body string
}

// Error returns a text with the status and, if there is one, the body.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("hubtest: the server answered %d %s", e.Code, http.StatusText(e.Code))
	if e.Body != "" {
		text += ": " + strings.TrimSpace(e.Body)
	}
	return text
}

// errPatience is the end of a wait.
var errPatience = errors.New("hubtest: nothing came within the server's patience")
