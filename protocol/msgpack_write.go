package protocol

import (
	"encoding/binary"
	"errors"
	"math"
)

func (*msgpackProtocol) Append(dst []byte, m Message) ([]byte, error) {
	if err := check(m); err != nil {
		return dst, err
	}
	if err := checkHeaders(m); err != nil {
		return dst, err
	}
	start := len(dst)
	// Nearly all messages have a length of one byte. For longer ones the body
	// moves up.
	out := append(dst, 0)
	switch m := m.(type) {
	case *Invocation:
		out = appendArrayHead(out, 6)
		out = appendInt(out, int64(m.Type()))
		out = appendHeaders(out, m.Headers)
		out = appendOptional(out, m.InvocationID)
		out = appendStr(out, m.Target)
		out = appendArrayHead(out, len(m.Arguments))
		for _, argument := range m.Arguments {
			out = appendMsgpackRaw(out, argument)
		}
		out = appendArrayHead(out, len(m.StreamIDs))
		for _, id := range m.StreamIDs {
			out = appendStr(out, id)
		}
	case *StreamItem:
		out = appendMsgpackCall(out, 4, TypeStreamItem, m.Headers, m.InvocationID)
		out = appendMsgpackRaw(out, m.Item)
	case *Completion:
		switch {
		case m.Error != "":
			out = appendMsgpackCall(out, 5, TypeCompletion, m.Headers, m.InvocationID)
			out = append(out, resultError)
			out = appendStr(out, m.Error)
		case m.Result != nil:
			out = appendMsgpackCall(out, 5, TypeCompletion, m.Headers, m.InvocationID)
			out = append(out, resultValue)
			out = appendMsgpackRaw(out, m.Result)
		default:
			out = appendMsgpackCall(out, 4, TypeCompletion, m.Headers, m.InvocationID)
			out = append(out, resultVoid)
		}
	case *CancelInvocation:
		out = appendMsgpackCall(out, 3, TypeCancelInvocation, m.Headers, m.InvocationID)
	case *Ping:
		out = append(out, 0x91, byte(TypePing))
	case *Close:
		out = append(out, 0x93, byte(TypeClose))
		out = appendOptional(out, m.Error)
		out = appendBool(out, m.AllowReconnect)
	case *Ack:
		out = append(out, 0x92, byte(TypeAck))
		out = appendInt(out, m.SequenceID)
	case *Sequence:
		out = append(out, 0x92, byte(TypeSequence))
		out = appendInt(out, m.SequenceID)
	}

	size := len(out) - start - 1
	if size > math.MaxInt32 {
		return dst, errors.New("protocol: the message is over 2GB")
	}
	var prefix [binary.MaxVarintLen32]byte
	n := binary.PutUvarint(prefix[:], uint64(size))
	if n > 1 {
		out = append(out, prefix[1:n]...) // any bytes: this makes room
		copy(out[start+n:], out[start+1:])
	}
	copy(out[start:], prefix[:n])
	return out, nil
}

// checkHeaders reports headers that a receiver would refuse: unlike JSON,
// MessagePack may not have empty ones, nor the name "__proto__".
func checkHeaders(m Message) error {
	var headers map[string]string
	switch m := m.(type) {
	case *Invocation:
		headers = m.Headers
	case *StreamItem:
		headers = m.Headers
	case *Completion:
		headers = m.Headers
	case *CancelInvocation:
		headers = m.Headers
	}
	for name, value := range headers {
		if name == "" || value == "" {
			return errors.New("protocol: a header without a name or a value")
		}
		if name == protoKey {
			return errProtoKey
		}
	}
	return nil
}

// appendMsgpackCall appends what the messages about a running call begin with.
func appendMsgpackCall(dst []byte, items int, kind Type, headers map[string]string, id string) []byte {
	dst = appendArrayHead(dst, items)
	dst = append(dst, byte(kind))
	dst = appendHeaders(dst, headers)
	return appendStr(dst, id)
}

func appendHeaders(dst []byte, headers map[string]string) []byte {
	dst = appendMapHead(dst, len(headers))
	if len(headers) == 0 {
		return dst
	}
	for _, name := range sortedKeys(headers) {
		dst = appendStr(dst, name)
		dst = appendStr(dst, headers[name])
	}
	return dst
}

// appendOptional appends a string, or nil if it is empty.
func appendOptional(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, 0xc0)
	}
	return appendStr(dst, s)
}

// appendMsgpackRaw appends a value that is encoded already; none is nil.
func appendMsgpackRaw(dst []byte, raw []byte) []byte {
	if len(raw) == 0 {
		return append(dst, 0xc0)
	}
	return append(dst, raw...)
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 0xc3)
	}
	return append(dst, 0xc2)
}

// appendInt appends an integer in its shortest form.
func appendInt(dst []byte, n int64) []byte {
	switch {
	case n >= 0:
		return appendUint(dst, uint64(n))
	case n >= -32:
		return append(dst, byte(n))
	case n >= math.MinInt8:
		return append(dst, 0xd0, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, 0xd1), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, 0xd2), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(n))
	}
}

// appendUint appends an integer in its shortest form.
func appendUint(dst []byte, n uint64) []byte {
	switch {
	case n <= math.MaxInt8:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, 0xcc, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 0xcf), n)
	}
}

func appendFloat32(dst []byte, f float32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0xca), math.Float32bits(f))
}

func appendFloat64(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0xcb), math.Float64bits(f))
}

// appendStr appends a string, as UTF-8 whatever it holds.
func appendStr(dst []byte, s string) []byte {
	s = validString(s)
	if len(s) < 32 {
		dst = append(dst, 0xa0|byte(len(s)))
	} else {
		dst = appendSize(dst, len(s), 0xd9)
	}
	return append(dst, s...)
}

func appendBin(dst, b []byte) []byte {
	return append(appendSize(dst, len(b), 0xc4), b...)
}

// appendSize appends a length in 8, 16 or 32 bits; code is that of the first form.
func appendSize(dst []byte, size int, code byte) []byte {
	switch {
	case size <= math.MaxUint8:
		return append(dst, code, byte(size))
	case size <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, code+1), uint16(size))
	default:
		return binary.BigEndian.AppendUint32(append(dst, code+2), uint32(size))
	}
}

func appendArrayHead(dst []byte, size int) []byte { return appendHead(dst, size, 0x90, 0xdc) }

func appendMapHead(dst []byte, size int) []byte { return appendHead(dst, size, 0x80, 0xde) }

// appendHead appends a number of elements: in the low bits of fixed, or in 16 or 32
// bits after code or its successor.
func appendHead(dst []byte, size int, fixed, code byte) []byte {
	switch {
	case size < 16:
		return append(dst, fixed|byte(size))
	case size <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, code), uint16(size))
	default:
		return binary.BigEndian.AppendUint32(append(dst, code+1), uint32(size))
	}
}
