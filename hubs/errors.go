package hubs

import (
	"errors"
	"fmt"
	"reflect"
	"unicode"
	"unicode/utf8"

	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// Error is an error whose text is meant for the client, which gets it at the end of
// a standard text: "An unexpected error occurred invoking 'Join' on the server.
// HubException: the room is full". Clients of package classic get the text alone.
// Every other error of a hub method reaches the client as the standard text
// only, unless the hub has [WithDetailedErrors]: do not put into an Error what the
// client must not know.
type Error struct {
	text string
	err  error
}

// NewError returns an error with a text for the client.
func NewError(text string) *Error { return &Error{text: text} }

// Errorf returns an error with a formatted text for the client. With %w it also
// wraps an error, whose text then reaches the client as part of the whole.
func Errorf(format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{text: err.Error(), err: errors.Unwrap(err)}
}

// Error returns the text for the client.
func (e *Error) Error() string { return e.text }

// Unwrap returns the error wrapped with %w, or nil.
func (e *Error) Unwrap() error { return e.err }

// Why a connection has ended, for errors.Is: OnDisconnected is told, and
// [context.Cause] of a call's context. nil, or [context.Canceled] as the cause of a
// context, means that the client has closed the connection itself. What a client says
// about that arrives as *[Error], bytes that are no messages as *protocol.Error, too
// long messages as *protocol.SizeError.
//
// They are the reasons that [Stats] counts in Ended.
var (
	// ErrConnectionLost means that the connection broke: "connection_lost".
	ErrConnectionLost = errors.New("hubs: the connection was lost")
	// ErrClientTimeout means that the client sent nothing, not even a ping,
	// for the client timeout ([WithClientTimeout]), or had no transport for the
	// disconnect timeout ([transports.WithDisconnectTimeout]): it has not polled
	// again, or not come back ([WithStatefulReconnect], package classic). It is
	// "timeout".
	ErrClientTimeout error = &namedError{"OperationCanceledException",
		"The client has sent no message or ping within the client timeout.", transports.ErrInactive}
	// ErrAborted means that the application has ended the connection, by
	// [Context.Abort] or [Target.Abort]: "aborted".
	ErrAborted = transports.ErrAborted
	// ErrExpired means that the client's authentication has expired
	// ([WithExpiration]): "expired".
	ErrExpired = transports.ErrExpired
	// ErrShutdown means that the hub shuts down ([Hub.Shutdown]):
	// "app_shutdown". The client has been told to connect anew. It is also the error
	// of what is sent or asked by the hub afterwards.
	ErrShutdown = transports.ErrShutdown
	// ErrNodeCutOff means that this process was cut off from the other nodes, or held
	// up, for so long that messages for the connection may be lost, or a change of its
	// groups. The client connects anew. It is "failed".
	ErrNodeCutOff = errors.New("hubs: the node was cut off from the others for too long")
	// ErrSlowClient means that the client has not read, or acknowledged, fast
	// enough what it was sent: "slow_client" or "write_timeout".
	ErrSlowClient = transports.ErrSlowClient
)

// errTruncated ends a connection that closed inside a message.
var errTruncated error = &namedError{invalidData, "Connection terminated while reading a message.", nil}

// endError is an error that has ended a connection, and its kind: one of those above.
type endError struct{ kind, err error }

func (e *endError) Error() string { return e.err.Error() }

func (e *endError) Unwrap() []error { return []error{e.kind, e.err} }

// shutDownError is the error of messages and questions after [Hub.Shutdown]. The node
// has left the farm then, but programs with one process know of none.
type shutDownError struct{}

func (shutDownError) Error() string { return "hubs: the hub is shut down" }

func (shutDownError) Unwrap() []error { return []error{ErrShutdown, scaleout.ErrClosed} }

// causeOf returns what the end of a transport is called here.
func causeOf(ended error) error {
	switch {
	case ended == nil, errors.Is(ended, ErrAborted), errors.Is(ended, ErrExpired), errors.Is(ended, ErrShutdown),
		errors.Is(ended, ErrSlowClient):
		return ended
	case errors.Is(ended, transports.ErrWriteTimeout):
		return &endError{ErrSlowClient, ended}
	case errors.Is(ended, transports.ErrInactive):
		return &endError{ErrClientTimeout, ended}
	default:
		return &endError{ErrConnectionLost, fmt.Errorf("%w: %w", ErrConnectionLost, ended)}
	}
}

// The reference server's names of what its clients show with detailed errors.
const (
	hubException = "HubException"
	invalidData  = "InvalidDataException"
)

// namedError is an error with a name in the reference server.
type namedError struct {
	name, text string
	kind       error // nil: none
}

func (e *namedError) Error() string { return e.text }

func (e *namedError) Unwrap() error { return e.kind }

// detail returns what a client may see of an error after the general text:
// " {type}: {text}", or nothing.
func detail(err error, detailed bool) string {
	if hubError := (*Error)(nil); errors.As(err, &hubError) && hubError != nil {
		return " " + hubException + ": " + hubError.text
	}
	if !detailed || err == nil {
		return ""
	}
	return " " + typeName(err) + ": " + err.Error()
}

// isForClient reports whether an error has a text for the client.
func isForClient(err error) bool {
	hubError := (*Error)(nil)
	return errors.As(err, &hubError)
}

// isRoutine reports whether an error is part of normal work, whatever method returns
// it: it is meant for the client, refuses a call, comes from what the client has sent,
// or from a client that has not answered a question.
func isRoutine(err error) bool {
	var (
		named        *namedError
		notConnected *NotConnectedError
		canceled     *canceledError
	)
	return isForClient(err) || errors.Is(err, errUnauthorized) || errors.Is(err, ErrUnheard) ||
		errors.As(err, &named) || errors.As(err, &notConnected) || errors.As(err, &canceled)
}

// settled returns an error of the application's whose methods do not panic: one
// that is a nil pointer, say, is told as what it is.
func settled(err error) (result error) {
	if err == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			result = fmt.Errorf("hubs: an error of type %T that cannot be used: %v", err, v)
		}
	}()
	_ = isForClient(err)
	_ = err.Error()
	return err
}

// typeName returns the short name of an error's type, or "Error" when the type
// is not exported and so has no name for others.
func typeName(err error) string {
	var (
		named     *namedError
		malformed *protocol.Error
		tooLong   *protocol.SizeError
	)
	switch {
	case errors.As(err, &named):
		return named.name
	case errors.As(err, &malformed), errors.As(err, &tooLong):
		return invalidData
	}
	t := reflect.TypeOf(err)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if first, _ := utf8.DecodeRuneInString(t.Name()); unicode.IsUpper(first) {
		return t.Name()
	}
	return "Error"
}

// panicError is a panic in the application's code.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
