package protocol

import (
	"bytes"
	"strconv"
	"strings"
)

const (
	// RecordSeparator ends every JSON message and, whatever the protocol, the
	// handshake request and its response.
	RecordSeparator = 0x1e

	// MaxVersion is the newest protocol version that is understood. Versions 1
	// and 2 have the same messages; Ack and Sequence matter only in 2.
	MaxVersion = 2
)

// HandshakeRequest is the first message of a client.
type HandshakeRequest struct {
	// Protocol is the name of the protocol for all later messages.
	Protocol string
	// Version is the protocol version that the client speaks.
	Version int
}

// HandshakeError refuses a handshake. Its text is meant for the client.
type HandshakeError struct {
	// Text is the error of the handshake response.
	Text string
}

// Error returns the text.
func (e *HandshakeError) Error() string { return e.Text }

// SplitRecord cuts the first record, without its RecordSeparator, off data, under
// the rules of [Protocol].Split. The JSON protocol is framed so, and the handshake
// of every protocol.
func SplitRecord(data []byte, limit int) (frame, rest []byte, err error) {
	end := bytes.IndexByte(data, RecordSeparator)
	size := end + 1
	if end < 0 {
		size = len(data)
	}
	if limit > 0 && size > limit {
		return nil, data, &SizeError{Limit: limit}
	}
	if end < 0 {
		return nil, data, nil
	}
	// The capacity ends with the frame: appending to it cannot reach the rest.
	return data[:end:end], data[size:], nil
}

// ParseHandshake reads the frame of a handshake request. Unknown properties are
// skipped; anything else that is not a request is an *Error.
func ParseHandshake(frame []byte) (HandshakeRequest, error) {
	s := jsonScanner{data: frame}
	var name, version []byte
	if err := s.openObject(); err != nil {
		return HandshakeRequest{}, err
	}
	for s.nextMember() {
		switch string(s.key()) {
		case "protocol":
			name = s.value()
		case "version":
			version = s.value()
		default:
			s.value()
		}
	}
	if err := s.end(); err != nil {
		return HandshakeRequest{}, err
	}

	if name == nil {
		return HandshakeRequest{}, errMissing("protocol")
	}
	if version == nil {
		return HandshakeRequest{}, errMissing("version")
	}
	if kindOf(name) != kindString {
		return HandshakeRequest{}, errExpected("protocol", kindString)
	}
	var (
		request HandshakeRequest
		ok      bool
	)
	if request.Protocol, ok = decodeString(name); !ok {
		return HandshakeRequest{}, &Error{Detail: detailReading}
	}
	v, ok := decodeInteger(version, 32)
	if !ok {
		return HandshakeRequest{}, errExpected("version", kindNumber)
	}
	request.Version = int(v)
	return request, nil
}

// Choose returns the protocol out of supported that req asks for; binary says
// whether the transport carries the Binary format. A refusal is a
// *HandshakeError. Versions below 1 pass, as they do in the reference server.
func Choose(req HandshakeRequest, supported []Protocol, binary bool) (Protocol, error) {
	for _, p := range supported {
		if !strings.EqualFold(p.Name(), req.Protocol) {
			continue
		}
		if req.Version > MaxVersion {
			return nil, &HandshakeError{Text: "The server does not support version " +
				strconv.Itoa(req.Version) + " of the '" + req.Protocol + "' protocol."}
		}
		if p.Format() == Binary && !binary {
			return nil, &HandshakeError{Text: "Cannot use the '" + p.Name() +
				"' protocol on the current transport. The transport does not support 'Binary' transfer format."}
		}
		return p, nil
	}
	return nil, &HandshakeError{Text: "The protocol '" + req.Protocol + "' is not supported."}
}

// AppendHandshakeResponse appends the framed handshake response to dst: success
// when errorText is empty, otherwise a refusal with that text.
func AppendHandshakeResponse(dst []byte, errorText string) []byte {
	if errorText == "" {
		return append(dst, '{', '}', RecordSeparator)
	}
	dst = append(dst, `{"error":`...)
	dst = appendString(dst, errorText)
	return append(dst, '}', RecordSeparator)
}
