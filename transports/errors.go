package transports

import "errors"

// Why a connection ended, as told to [Receiver.Close]. A client that closed its
// side properly is told as a nil error; a broken socket as the socket's error.
var (
	// ErrSlowClient ends a connection whose outbox is full: the client reads
	// more slowly than the application sends, or not at all.
	ErrSlowClient = errors.New("transports: the client does not read fast enough: its outbox is full")
	// ErrWriteTimeout ends a connection on which one write took longer than
	// the send timeout.
	ErrWriteTimeout = errors.New("transports: a write to the client timed out")
	// ErrInactive ends a connection that had no transport for longer than the
	// disconnect timeout.
	ErrInactive = errors.New("transports: the connection was inactive for too long")
	// ErrShutdown ends the connections of an endpoint that shuts down.
	ErrShutdown = errors.New("transports: the server is shutting down")
	// ErrAborted ends a connection on which Abort was called.
	ErrAborted = errors.New("transports: the connection was aborted")
)

// ErrClosed is returned by sends on a connection that has ended.
var ErrClosed = errors.New("transports: the connection is closed")

// errStalled ends a WebSocket whose client has begun a message and does not go on.
var errStalled = errors.New("transports: the client has begun a message and sends nothing more of it")

// Why a request is refused, for the log.
var (
	errFull           = errors.New("transports: too many connections")
	errNoID           = errors.New("transports: the request names no connection")
	errUnknownID      = errors.New("transports: there is no connection with that id, or it has ended")
	errUserChanged    = errors.New("transports: the request is of another user than the connection")
	errOther          = errors.New("transports: the connection uses another transport")
	errAlready        = errors.New("transports: the connection uses this transport already")
	errSuperseded     = errors.New("transports: a newer WebSocket goes on with the connection")
	errEnded          = errors.New("transports: the connection has ended meanwhile")
	errHost           = errors.New("transports: the host is not allowed")
	errOrigin         = errors.New("transports: the origin is not allowed")
	errSite           = errors.New("transports: the request comes from a page of another site")
	errNotOpen        = errors.New("transports: the connection has no transport yet")
	errMethod         = errors.New("transports: the method is not allowed")
	errBody           = errors.New("transports: the WebSocket request has a body")
	errSlowBody       = errors.New("transports: the body of the request does not come in time")
	errSlowPost       = errors.New("transports: the body of an earlier POST does not come in time")
	errLongBody       = errors.New("transports: the body of the request is too long")
	errUpgradeMethod  = errors.New("transports: the request for a WebSocket is no GET")
	errUpgradeHeaders = errors.New("transports: the request for a WebSocket has no headers Connection: Upgrade and Upgrade: websocket, which a proxy may have dropped")
	errUpgradeVersion = errors.New("transports: the request for a WebSocket has not the Sec-WebSocket-Version 13")
	errUpgradeKey     = errors.New("transports: the request for a WebSocket has no Sec-WebSocket-Key of 16 bytes")
	errNoPost         = errors.New("transports: the connection is a WebSocket, which takes no POST")
	errNoTerminate    = errors.New("transports: only connections of long polling end by DELETE")
)

// reason names the end of a connection for logs and statistics. The first three
// are the reference server's.
func reason(cause error) string {
	switch {
	case cause == nil:
		return "normal_closure"
	case errors.Is(cause, ErrInactive):
		return "timeout"
	case errors.Is(cause, ErrShutdown):
		return "app_shutdown"
	case errors.Is(cause, ErrExpired):
		return "expired"
	case errors.Is(cause, ErrSlowClient):
		return "slow_client"
	case errors.Is(cause, ErrWriteTimeout):
		return "write_timeout"
	case errors.Is(cause, ErrAborted):
		return "aborted"
	case errors.As(cause, new(*failure)):
		return "failed"
	default:
		return reasonLost
	}
}

// reasonLost is the reason where the error is the transport's.
const reasonLost = "connection_lost"

// failure is why the application ends a connection on which something has failed.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }
