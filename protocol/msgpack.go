package protocol

import (
	"math"
	"sync"
	"unicode/utf8"
)

// NewMessagePack returns the "messagepack" protocol: one MessagePack
// array per message, preceded by its length.
//
// Go values have the encodings that the reference server's defaults give to their
// like, under these rules:
//
//   - A struct is a map. A member is named by its msgpack tag, or else its json
//     tag, or else its Go name, and is matched exactly, unless
//     [WithCaseInsensitiveNames] is given. .NET clients have names like Name in
//     MessagePack, and name in JSON: such a member needs the tags
//     `msgpack:"Name" json:"name"`. The options omitempty, omitzero, string and "-" of
//     the tag that gives the name, and the rules for embedded structs, are those of
//     encoding/json. A member with the option string, which keeps large integers
//     exact in JavaScript, is read from a number, too. Members that the struct does
//     not have are skipped.
//   - A struct with a field _ struct{}, or _msgpack struct{}, that has the tag
//     `msgpack:",as_array"` is an array of its members in their order, like the classes of .NET with [Key(0)],
//     [Key(1)], …; omitempty and omitzero have no effect. It is read from a map, too.
//     Elements that the struct does not have are skipped, and members without an
//     element stay as they are.
//   - Integers take the shortest form and are read from any form if they are in
//     range, also from a float that is whole; they are read into floats too. Nothing
//     else is converted.
//   - []byte and byte arrays are bin, and are read from bin alone. Slices and
//     arrays are arrays; an array must have the length of the Go array. The keys
//     of maps are strings or integers, written in the order of their encodings.
//   - time.Time is a timestamp, always in UTC. It is read from an array of a timestamp
//     and an offset in minutes as well, which is the DateTimeOffset of .NET: the
//     timestamp is its local time. A time.Duration is its number of
//     nanoseconds, as it is in JSON.
//   - A type that is a Marshaler and Unmarshaler of github.com/vmihailenco/msgpack/v5
//     encodes itself; the bytes it is given are only lent to it. That package's
//     CustomEncoder and CustomDecoder, its other options in tags and the types
//     registered with it have no effect. Next come the interfaces of package encoding
//     for text, so that a UUID is the same string in both protocols. A bin is read
//     with UnmarshalBinary into a type for text that has it, like 16 bytes into a
//     UUID: in the order of its text, which is not that of .NET's Guid.ToByteArray.
//   - A json.RawMessage or json.Number is the value that it stands for, transcoded as
//     a [Raw] is; a json.Number is read from a str, too.
//   - No map that is written has the key "__proto__", and what MarshalMsgpack returns is
//     held to the rules of a [Raw]: JavaScript clients close the connection for it.
//   - Nil is read into pointers, slices, maps and interfaces as nil and leaves
//     everything else as it is, as null does in encoding/json: JavaScript has nil
//     for a member that is undefined.
//   - Into an empty interface go nil, bool, int64 (uint64 where it must), float64,
//     string, []byte, time.Time, []any and map[string]any.
//   - What is not UTF-8 in a string becomes U+FFFD.
//
// The protocol is safe for concurrent use.
func NewMessagePack(opts ...MessagePackOption) Protocol {
	p := &msgpackProtocol{
		encoders: sync.Pool{New: newMsgpackEncoder},
		decoders: sync.Pool{New: newMsgpackDecoder},
	}
	for _, opt := range opts {
		opt(p)
	}
	return p
}

// MessagePackOption configures [NewMessagePack].
type MessagePackOption func(*msgpackProtocol)

// WithCaseInsensitiveNames makes a name that a struct does not have stand for the member
// whose name differs in the case of letters alone, as it always does in JSON: a client
// may send Name or name. What is written keeps the names that the struct gives.
func WithCaseInsensitiveNames() MessagePackOption {
	return func(p *msgpackProtocol) { p.foldNames = true }
}

type msgpackProtocol struct {
	recycled
	foldNames bool
	types     sync.Map  // reflect.Type to *msgpackType
	encoders  sync.Pool // of *msgpackEncoder
	decoders  sync.Pool // of *msgpackDecoder
}

func (*msgpackProtocol) Name() string { return "messagepack" }

func (*msgpackProtocol) Format() Format { return Binary }

// Split reads the length before the message: 7 bits per byte, the lowest first.
func (*msgpackProtocol) Split(data []byte, limit int) (frame, rest []byte, err error) {
	var size, prefix int64
	for complete := false; !complete; prefix++ {
		// The limit comes first, so that the error does not depend on how much has arrived.
		if limit > 0 && prefix > int64(limit) {
			return nil, data, &SizeError{Limit: limit}
		}
		if prefix == int64(len(data)) {
			return nil, data, nil
		}
		c := data[prefix]
		if prefix == 4 && c > 7 {
			return nil, data, &Error{Detail: detail2GB}
		}
		size |= int64(c&0x7f) << (7 * prefix)
		complete = c < 0x80
	}
	total := prefix + size
	switch {
	case limit > 0 && total > int64(limit):
		return nil, data, &SizeError{Limit: limit}
	case total > int64(len(data)):
		return nil, data, nil
	default:
		return data[prefix:total:total], data[total:], nil
	}
}

// detail2GB is the text for a length that takes more than 31 bits.
const detail2GB = "Messages over 2GB in size are not supported."

func (p *msgpackProtocol) Parse(frame []byte) (Message, error) {
	e := msgpackEnvelope{msgpackReader: msgpackReader{data: frame}}
	m := e.message(&p.recycled)
	// Items that a later version may have added are skipped.
	for e.err == nil && e.items > 0 {
		e.value("item")
	}
	if e.err == nil && !e.done() {
		e.fail("Unexpected data after the message.")
	}
	if e.err != nil {
		return nil, e.err
	}
	return m, nil
}

// The kinds of completion.
const (
	resultError = 1
	resultVoid  = 2
	resultValue = 3
)

// msgpackEnvelope reads the items of one message in order. After the first
// failure all reading does nothing and returns zero values.
type msgpackEnvelope struct {
	msgpackReader
	items int // still to be read
	err   error
}

// fail notes the first failure.
func (e *msgpackEnvelope) fail(detail string) {
	if e.err == nil {
		e.err = &Error{Detail: detail}
	}
}

// read reads the head of the next item, or of a part of an item.
func (e *msgpackEnvelope) read(field string, as string) msgpackToken {
	if e.err != nil {
		return msgpackToken{}
	}
	t, ok := e.next()
	if !ok {
		e.fail("Reading '" + field + "' as " + as + " failed.")
	}
	return t
}

// item counts an item of the message that is about to be read.
func (e *msgpackEnvelope) item(field string) {
	if e.items == 0 {
		e.fail("Missing required property '" + field + "'.")
		return
	}
	e.items--
}

func (e *msgpackEnvelope) message(memory *recycled) Message {
	t := e.read("message", "Array")
	if e.err == nil && t.kind != msgpackArray {
		e.fail("Reading 'message' as Array failed.")
	}
	e.items = t.size
	kind := e.integer("type")
	if e.err != nil {
		return nil
	}
	switch Type(kind) {
	case TypeInvocation, TypeStreamInvocation:
		return e.invocation(Type(kind) == TypeStreamInvocation, memory)
	case TypeStreamItem:
		return &StreamItem{Headers: e.headers(), InvocationID: e.id(), Item: e.value("item")}
	case TypeCompletion:
		return e.completion()
	case TypeCancelInvocation:
		return &CancelInvocation{Headers: e.headers(), InvocationID: e.id()}
	case TypePing:
		return &Ping{}
	case TypeClose:
		m := &Close{Error: e.string("error", true)}
		if e.items > 0 { // JavaScript leaves it out
			m.AllowReconnect = e.bool("allowReconnect")
		}
		return m
	case TypeAck:
		return &Ack{SequenceID: e.integer("sequenceId")}
	case TypeSequence:
		return &Sequence{SequenceID: e.integer("sequenceId")}
	default:
		if kind < math.MinInt32 || kind > math.MaxInt32 {
			e.fail("Reading 'type' as Int32 failed.")
		}
		return &Unknown{Kind: int(kind)}
	}
}

func (e *msgpackEnvelope) invocation(stream bool, memory *recycled) Message {
	headers := e.headers()
	id := ""
	if stream {
		id = e.id()
	} else {
		id = e.string("invocationId", true)
	}
	target := e.required("target")
	var few [8][]byte
	m := memory.invocation(e.arguments(few[:0]))
	m.Headers, m.InvocationID, m.Target, m.Stream = headers, id, target, stream
	if e.items > 0 { // JavaScript leaves them out when there are none
		m.StreamIDs = e.streamIDs()
	}
	return m
}

func (e *msgpackEnvelope) completion() Message {
	m := &Completion{Headers: e.headers(), InvocationID: e.id()}
	switch kind := e.integer("resultKind"); {
	case e.err != nil:
	case kind == resultError:
		m.Error = e.string("error", false)
	case kind == resultVoid:
	case kind == resultValue:
		m.Result = e.value("result")
	default:
		e.fail("Invalid invocation result kind.")
	}
	return m
}

// headers reads a map of strings, none of them empty, or nil.
func (e *msgpackEnvelope) headers() map[string]string {
	e.item("headers")
	t := e.read("headers", "Map")
	if e.err == nil && t.kind != msgpackMap && t.kind != msgpackNil {
		e.fail("Reading map length for 'headers' failed.")
	}
	var headers map[string]string
	for range t.size {
		name := e.text("headers", false)
		value := e.text("headers", false)
		if e.err == nil && (name == "" || value == "") {
			e.fail("Header names and values must not be empty.")
		}
		if e.err != nil {
			return nil
		}
		if headers == nil {
			headers = make(map[string]string)
		}
		headers[name] = value
	}
	return headers
}

// arguments appends the arguments to into: no memory is made for a mere claim.
func (e *msgpackEnvelope) arguments(into [][]byte) [][]byte {
	for range e.array("arguments") {
		raw := e.msgpackReader.value()
		if raw == nil {
			e.fail("Reading 'arguments' failed.")
			return nil
		}
		into = append(into, raw)
	}
	return into
}

func (e *msgpackEnvelope) streamIDs() []string {
	var ids []string
	for range e.array("streamIds") {
		id := e.text("streamIds", false)
		if e.err != nil {
			return nil
		}
		ids = append(ids, id)
	}
	return ids
}

// array reads the head of an item that is an array and returns its length; nil is an
// empty one.
func (e *msgpackEnvelope) array(field string) int {
	e.item(field)
	t := e.read(field, "Array")
	if e.err == nil && t.kind != msgpackArray && t.kind != msgpackNil {
		e.fail("Reading array length for '" + field + "' failed.")
	}
	if e.err != nil {
		return 0
	}
	return t.size
}

// id reads an invocation id that must be there.
func (e *msgpackEnvelope) id() string { return e.required("invocationId") }

// required reads an item that is a string and not empty.
func (e *msgpackEnvelope) required(field string) string {
	text := e.string(field, true)
	if e.err == nil && text == "" {
		e.fail("Missing required property '" + field + "'.")
	}
	return text
}

// string reads an item that is a string or, if it may be, nil.
func (e *msgpackEnvelope) string(field string, orNil bool) string {
	e.item(field)
	return e.text(field, orNil)
}

// text reads a string inside an item.
func (e *msgpackEnvelope) text(field string, orNil bool) string {
	t := e.read(field, "String")
	if e.err != nil || (orNil && t.kind == msgpackNil) {
		return ""
	}
	if t.kind == msgpackStr {
		if b := e.take(t); utf8.Valid(b) {
			return string(b)
		}
	}
	e.fail("Reading '" + field + "' as String failed.")
	return ""
}

func (e *msgpackEnvelope) integer(field string) int64 {
	e.item(field)
	t := e.read(field, "Integer")
	n, ok := t.integer()
	if e.err == nil && !ok {
		e.fail("Reading '" + field + "' as Integer failed.")
	}
	return n
}

func (e *msgpackEnvelope) bool(field string) bool {
	e.item(field)
	t := e.read(field, "Boolean")
	if e.err == nil && t.kind != msgpackBool {
		e.fail("Reading '" + field + "' as Boolean failed.")
	}
	return t.bits == 1
}

// value reads an item of any kind.
func (e *msgpackEnvelope) value(field string) []byte {
	e.item(field)
	if e.err != nil {
		return nil
	}
	raw := e.msgpackReader.value()
	if raw == nil {
		e.fail("Reading '" + field + "' failed.")
	}
	return raw
}
