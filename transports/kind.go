package transports

import "github.com/go-signalr/signalr/negotiate"

// Kind is one of the ways in which a client's bytes travel.
type Kind uint8

// The transports, in the order in which a server offers them.
// The zero Kind is a connection that was negotiated and never used.
const (
	WebSockets Kind = iota + 1
	ServerSentEvents
	LongPolling
)

const kinds = 4 // number of Kind values, the zero one included

// String returns the name used on the wire: "WebSockets", "ServerSentEvents",
// "LongPolling", or "None" for the zero Kind.
func (k Kind) String() string {
	switch k {
	case WebSockets:
		return "WebSockets"
	case ServerSentEvents:
		return "ServerSentEvents"
	case LongPolling:
		return "LongPolling"
	default:
		return "None"
	}
}

// Binary reports whether the transport carries arbitrary bytes. Server-Sent
// Events carry text only.
func (k Kind) Binary() bool { return k != ServerSentEvents }

// offer returns the entry of a negotiate answer.
func (k Kind) offer() negotiate.Transport {
	formats := []string{"Text"}
	if k.Binary() {
		formats = append(formats, "Binary")
	}
	return negotiate.Transport{Name: k.String(), TransferFormats: formats}
}
