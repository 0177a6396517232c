package protocol

import (
	"sync"
	"unicode/utf8"
)

// NewJSON returns the "json" protocol: one UTF-8 JSON object per
// message, ended by RecordSeparator.
//
// Values are encoded and decoded by the rules of encoding/json, tags and
// interfaces included, with these exceptions:
//
//   - '<', '>' and '&' are not escaped. NaN and the infinities are refused, and so are
//     messages and encoded values that are not valid UTF-8.
//   - Into an empty interface, numbers that are written as integers go as int64, or
//     uint64 where they must, as in MessagePack; only others, and those that need more
//     than 64 bits, are float64.
//   - A whole number with a fraction or an exponent, like 5.0 or 5e0, is read into an
//     integer if it is in range.
//   - A time.Time is read without an offset, which is UTC, without seconds or without a
//     time of day, too: "2006-01-02T15:04:05", "2006-01-02T15:04+02:00", "2006-01-02".
//
// A value for which an exception is needed is decoded twice: methods like UnmarshalJSON
// of other parts of it may be called two times.
//
// The protocol is safe for concurrent use.
func NewJSON() Protocol {
	return &jsonProtocol{encoders: sync.Pool{New: func() any { return newJSONEncoder() }}}
}

type jsonProtocol struct {
	recycled
	types    sync.Map  // reflect.Type to *jsonType
	encoders sync.Pool // of *jsonEncoder
}

func (*jsonProtocol) Name() string { return "json" }

func (*jsonProtocol) Format() Format { return Text }

func (*jsonProtocol) Split(data []byte, limit int) (frame, rest []byte, err error) {
	return SplitRecord(data, limit)
}

func (p *jsonProtocol) Parse(frame []byte) (Message, error) {
	if !utf8.Valid(frame) {
		return nil, &Error{Detail: detailReading}
	}
	var e jsonEnvelope
	var few [8][]byte
	arguments, err := e.scan(frame, few[:0])
	if err != nil {
		return nil, err
	}
	if e.kind == nil {
		return nil, errMissing("type")
	}
	kind, ok := decodeInteger(e.kind, 32)
	if !ok {
		return nil, errExpected("type", kindNumber)
	}
	if kind < int64(TypeInvocation) || kind > int64(TypeSequence) {
		return &Unknown{Kind: int(kind)}, nil
	}
	if err := e.checkKinds(); err != nil {
		return nil, err
	}
	return e.message(Type(kind), arguments, &p.recycled)
}

// jsonEnvelope holds the properties of one message before its type is known: the
// client may send them in any order, and JavaScript sends the type last. A nil
// value means that the property is absent.
type jsonEnvelope struct {
	kind           []byte
	headers        []byte
	invocationID   []byte
	target         []byte
	arguments      []byte
	streamIDs      []byte
	item           []byte
	result         []byte
	error          []byte
	allowReconnect []byte
	sequenceID     []byte
}

// scan reads all properties, and appends the arguments to into. Of duplicates the
// last one wins.
func (e *jsonEnvelope) scan(frame []byte, into [][]byte) (arguments [][]byte, err error) {
	s := jsonScanner{data: frame}
	if err := s.openObject(); err != nil {
		return nil, err
	}
	for s.nextMember() {
		switch string(s.key()) {
		case "type":
			e.kind = s.value()
		case "headers":
			e.headers = s.optional()
		case "invocationId":
			e.invocationID = s.optional()
		case "target":
			e.target = s.value()
		case "arguments":
			if s.peek() == '[' {
				e.arguments, arguments = s.array(into[:0])
			} else {
				e.arguments, arguments = s.value(), nil
			}
		case "streamIds":
			e.streamIDs = s.optional()
		case "item":
			e.item = s.value()
		case "result":
			e.result = s.value()
		case "error":
			e.error = s.optional()
		case "allowReconnect":
			e.allowReconnect = s.value()
		case "sequenceId":
			e.sequenceID = s.value()
		default:
			s.value()
		}
	}
	return arguments, s.end()
}

// checkKinds refuses a known property that holds the wrong kind of value, whether or
// not the message's type has a use for it. Null arguments are none.
func (e *jsonEnvelope) checkKinds() error {
	switch {
	case !isKind(e.headers, kindObject):
		return errExpected("headers", kindObject)
	case !isKind(e.invocationID, kindString):
		return errExpected("invocationId", kindString)
	case !isKind(e.target, kindString):
		return errExpected("target", kindString)
	case !isKind(e.arguments, kindArray) && !isKind(e.arguments, kindNull):
		return errExpected("arguments", kindArray)
	case !isKind(e.streamIDs, kindArray):
		return errExpected("streamIds", kindArray)
	case !isKind(e.error, kindString):
		return errExpected("error", kindString)
	case !isKind(e.allowReconnect, kindTrue) && !isKind(e.allowReconnect, kindFalse):
		return errExpected("allowReconnect", "Boolean")
	case !isKind(e.sequenceID, kindNumber):
		return errExpected("sequenceId", kindNumber)
	default:
		return nil
	}
}

// isKind reports whether a property is absent or of the given kind.
func isKind(raw []byte, kind string) bool { return raw == nil || kindOf(raw) == kind }

// message builds the message of a known type.
func (e *jsonEnvelope) message(kind Type, arguments [][]byte, memory *recycled) (Message, error) {
	switch kind {
	case TypePing:
		return &Ping{}, nil
	case TypeClose:
		text, err := optionalString(e.error)
		if err != nil {
			return nil, err
		}
		return &Close{Error: text, AllowReconnect: e.allowReconnect != nil && kindOf(e.allowReconnect) == kindTrue}, nil
	case TypeAck, TypeSequence:
		return e.sequence(kind)
	}

	headers, err := e.decodeHeaders()
	if err != nil {
		return nil, err
	}
	id, err := optionalString(e.invocationID)
	if err != nil {
		return nil, err
	}
	if id == "" && kind != TypeInvocation {
		return nil, errMissing("invocationId")
	}
	switch kind {
	case TypeStreamItem:
		if e.item == nil {
			return nil, errMissing("item")
		}
		return &StreamItem{Headers: headers, InvocationID: id, Item: e.item}, nil
	case TypeCompletion:
		if e.error != nil && e.result != nil {
			return nil, &Error{Detail: "The 'error' and 'result' properties are mutually exclusive."}
		}
		text, err := optionalString(e.error)
		if err != nil {
			return nil, err
		}
		return &Completion{Headers: headers, InvocationID: id, Result: e.result, Error: text}, nil
	case TypeCancelInvocation:
		return &CancelInvocation{Headers: headers, InvocationID: id}, nil
	default:
		m, err := e.invocation(arguments, memory)
		if err != nil {
			return nil, err
		}
		m.Headers, m.InvocationID, m.Stream = headers, id, kind == TypeStreamInvocation
		return m, nil
	}
}

func (e *jsonEnvelope) invocation(arguments [][]byte, memory *recycled) (*Invocation, error) {
	target, err := optionalString(e.target)
	if err != nil {
		return nil, err
	}
	if target == "" {
		return nil, errMissing("target")
	}
	if e.arguments == nil {
		return nil, errMissing("arguments")
	}
	streamIDs, err := e.decodeStreamIDs()
	if err != nil {
		return nil, err
	}
	m := memory.invocation(arguments)
	m.Target, m.StreamIDs = target, streamIDs
	return m, nil
}

func (e *jsonEnvelope) sequence(kind Type) (Message, error) {
	if e.sequenceID == nil {
		return nil, errMissing("sequenceId")
	}
	id, ok := decodeInteger(e.sequenceID, 64)
	if !ok {
		return nil, errExpected("sequenceId", kindNumber)
	}
	if kind == TypeAck {
		return &Ack{SequenceID: id}, nil
	}
	return &Sequence{SequenceID: id}, nil
}

// decodeHeaders reads the headers, whose syntax has been checked.
func (e *jsonEnvelope) decodeHeaders() (map[string]string, error) {
	if e.headers == nil {
		return nil, nil
	}
	s := jsonScanner{data: e.headers, pos: 1}
	var headers map[string]string
	for s.nextMember() {
		name, err := optionalString(s.name)
		if err != nil {
			return nil, err
		}
		value := s.value()
		if kindOf(value) != kindString {
			return nil, &Error{Detail: "Expected header '" + name + "' to be of type String."}
		}
		text, err := optionalString(value)
		if err != nil {
			return nil, err
		}
		if headers == nil {
			headers = make(map[string]string)
		}
		headers[name] = text
	}
	return headers, nil
}

// decodeStreamIDs reads the stream ids, whose syntax has been checked.
func (e *jsonEnvelope) decodeStreamIDs() ([]string, error) {
	if e.streamIDs == nil {
		return nil, nil
	}
	s := jsonScanner{data: e.streamIDs, pos: 1}
	var ids []string
	for s.nextElement() {
		value := s.value()
		if kindOf(value) != kindString {
			return nil, errExpected("streamIds", kindString)
		}
		id, err := optionalString(value)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// optionalString decodes a property that is absent or a string.
func optionalString(raw []byte) (string, error) {
	if raw == nil {
		return "", nil
	}
	text, ok := decodeString(raw)
	if !ok {
		return "", &Error{Detail: detailReading}
	}
	return text, nil
}
