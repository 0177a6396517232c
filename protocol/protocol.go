// Package protocol holds the hub messages of SignalR and their two encodings,
// JSON and MessagePack, together with the handshake that chooses between them.
//
// It knows nothing of HTTP, connections or hubs: bytes in, messages out, and
// back. Arguments, items and results stay in their encoding until the caller knows
// the Go type to decode them into:
//
//	frame, rest, err := p.Split(buffer, limit)   // cut one message off the bytes received
//	message, err := p.Parse(frame)               // *Invocation, *Completion, …
//	err = p.Unmarshal(invocation.Arguments[0], &n)
//
// Everything a peer controls is bounded: the size of a message by the limit
// given to Split, the nesting of its values by 64 levels, and no memory is taken for a
// length that is only claimed. What would make clients close their connections is not
// sent: AppendValue refuses values that nest more than 62 levels deep, since .NET clients
// of JSON take 64 with the message and the list of the arguments around them, and for
// MessagePack the key "__proto__", which JavaScript clients take in no map.
//
// # Differences from ASP.NET Core
//
// What an ASP.NET Core server refuses, and this package accepts:
//
//   - null for what a message may lack: headers, invocationId, streamIds and error, and
//     for arguments, which then are none; in MessagePack nil for headers, streamIds and
//     arguments
//   - values in JSON that nest 64 levels deep; there arguments have 62, others 63
//   - numbers like 5.0 and 5e0 in JSON, and whole floats in MessagePack, for an integer
//     that can hold them
//   - a MessagePack bin for a type that decodes itself from text and from binary, like
//     16 bytes for a UUID
//   - in MessagePack, numbers for a member with the option string; by
//     [WithCaseInsensitiveNames], names in another case
//
// What this package refuses, and an ASP.NET Core server sends or takes:
//
//   - the key "__proto__" in what is sent in MessagePack, from a map, the name of a member,
//     a [Raw], a json.RawMessage or MarshalMsgpack: the send fails. JSON has it.
//   - in a [Raw] from a client of MessagePack, and in what MarshalMsgpack returns: keys of
//     maps that are neither strings nor integers, a str that is not UTF-8, a timestamp
//     of another form than the three there are, the key "__proto__"
//   - values to be sent that nest more than 62 levels deep; there only arguments in JSON
//     may not
//   - values from clients of MessagePack that nest more than 64 levels deep; there the
//     limit is 500
//
// What means something else:
//
//   - A JSON time without an offset is in UTC; there it has no time zone.
//   - An integer in JSON is an int64 or uint64 in an empty interface, and another number a
//     float64; there it is a JsonElement.
//   - A [Raw], json.RawMessage or json.Number reaches clients of both protocols as the
//     same value.
//   - A time.Duration is a number of nanoseconds. A TimeSpan of .NET is a text in JSON, and
//     a number of 100 ns in MessagePack. An enum of .NET is a number in JSON, and its name
//     in MessagePack.
package protocol

import "strconv"

// Format says which kind of transport message carries a protocol: the transfer
// format of the negotiate answer.
type Format int

// The transfer formats.
const (
	// Text is UTF-8 text; every transport carries it.
	Text Format = iota + 1
	// Binary is arbitrary bytes; Server-Sent Events cannot carry it.
	Binary
)

// String returns the format's name in a negotiate answer: "Text" or "Binary".
func (f Format) String() string {
	switch f {
	case Text:
		return "Text"
	case Binary:
		return "Binary"
	default:
		return "Format(" + strconv.Itoa(int(f)) + ")"
	}
}

// Protocol is one encoding of hub messages. The implementations of this package
// are safe for concurrent use; others must be as well.
type Protocol interface {
	// Name returns the name that clients give in their handshake: "json" or
	// "messagepack".
	Name() string

	// Format returns the transfer format that the protocol needs.
	Format() Format

	// Split cuts the first whole message off data. The frame excludes the
	// framing (record separator or length prefix) and, like rest, aliases data.
	// A nil frame without an error means that more bytes are needed; rest is
	// then all of data.
	//
	// The limit is in bytes and counts the framing too; zero and less mean
	// unlimited. A message over the limit is reported as a *SizeError, also when
	// it is still incomplete but already longer, or when its prefix claims to be.
	// Framing that cannot be right is an *Error.
	Split(data []byte, limit int) (frame, rest []byte, err error)

	// Parse reads one frame. The values of the message alias frame; nothing else
	// does. A malformed frame is an *Error; a well-formed message of a type
	// that this package does not know is an *Unknown.
	Parse(frame []byte) (Message, error)

	// Append appends the framed encoding of m to dst and returns the extended
	// slice. Values, encoded already, are copied as they are. On error, for a message that the
	// peer would have to refuse, dst is returned as it was.
	Append(dst []byte, m Message) ([]byte, error)

	// Unmarshal decodes one value of a parsed message into v, a non-nil pointer.
	// The decoded value never aliases value. Values that nest more than 64 levels
	// deep are an error.
	Unmarshal(value []byte, v any) error

	// AppendValue appends the encoding of v to dst and returns the extended
	// slice; on error dst is returned as it was. It is an error if v has no encoding
	// that all clients can decode, as when it nests more than 62 levels deep.
	AppendValue(dst []byte, v any) ([]byte, error)
}

// Error reports bytes from the peer that are not a message: a protocol error,
// after which the connection must be closed.
type Error struct {
	// Detail is the text of the reference server's InvalidDataException.
	Detail string
}

// Error returns the detail.
func (e *Error) Error() string { return e.Detail }

// SizeError reports a message larger than the receiver allows.
type SizeError struct {
	// Limit is the size in bytes that the message exceeded.
	Limit int
}

// Error tells the limit.
func (e *SizeError) Error() string {
	return "The maximum message size of " + strconv.Itoa(e.Limit) + " bytes was exceeded."
}

// The texts of protocol errors.
const (
	detailReading = "Error reading JSON."
	detailEnd     = "Unexpected end when reading JSON."
)

// errMissing reports that a message lacks the property name.
func errMissing(name string) error {
	return &Error{Detail: "Missing required property '" + name + "'."}
}

// errExpected reports that the property name holds something else than kind.
func errExpected(name, kind string) error {
	return &Error{Detail: "Expected '" + name + "' to be of type " + kind + "."}
}
