package transports

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// Why a WebSocket is failed whose client does not keep to RFC 6455. The library finds
// the other faults.
var (
	errFrameLength = errors.New("transports: a frame of the client is longer than frames can be")
	errShortClose  = errors.New("transports: the closing frame of the client has half a status code")
	errCloseText   = errors.New("transports: the reason in the closing frame of the client is not valid UTF-8")
)

// frameCheck follows the frames of a client, wherever the bytes are cut. The zero value
// is ready for the first one.
type frameCheck struct {
	header  [longestHeader]byte
	n       int    // of header
	left    uint64 // of the payload
	message bool   // more fragments of a message are to come
	closing []byte // of the payload of a closing frame
}

const (
	finalBit   = 0x80
	maskedBit  = 0x80
	opcodeBits = 0x0f
	closeFrame = 8 // the first of the control frames

	maxControlPayload = 125
)

// unfinished reports whether the client has begun a message or a frame.
func (f *frameCheck) unfinished() bool { return f.n > 0 || f.message }

// check returns how much of data is of frames without a fault, and the fault of the next.
func (f *frameCheck) check(data []byte) (int, error) {
	begin := 0 // of the frame, or of what data has of it
	for i := 0; i < len(data); {
		if f.n < f.headerSize() {
			f.header[f.n] = data[i]
			f.n++
			i++
			if f.n < f.headerSize() {
				continue
			}
			if f.left = f.payloadSize(); f.left > 1<<63-1 {
				return begin, errFrameLength
			}
		} else {
			n := int(min(f.left, uint64(len(data)-i)))
			if f.header[0]&opcodeBits == closeFrame && f.payloadSize() <= maxControlPayload {
				f.closing = append(f.closing, data[i:i+n]...)
			}
			f.left -= uint64(n)
			i += n
		}
		if f.left > 0 {
			continue
		}
		if err := f.end(); err != nil {
			return begin, err
		}
		begin = i
	}
	return len(data), nil
}

// headerSize returns the size of the header, as far as that is known yet.
func (f *frameCheck) headerSize() int {
	size := 2
	if f.n < size {
		return size
	}
	switch f.header[1] &^ maskedBit {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.header[1]&maskedBit != 0 {
		size += 4
	}
	return size
}

func (f *frameCheck) payloadSize() uint64 {
	switch size := f.header[1] &^ maskedBit; size {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.header[2:]))
	case 127:
		return binary.BigEndian.Uint64(f.header[2:])
	default:
		return uint64(size)
	}
}

// end makes f ready for the next frame.
func (f *frameCheck) end() error {
	opcode := f.header[0] & opcodeBits
	if opcode < closeFrame {
		f.message = f.header[0]&finalBit == 0
	}
	size, text := f.n, f.closing
	f.n, f.closing = 0, nil
	if opcode != closeFrame || f.header[1]&maskedBit == 0 { // the library refuses frames without a mask
		return nil
	}
	mask := f.header[size-4 : size]
	const codeSize = 2
	switch {
	case len(text) == 1:
		return errShortClose
	case len(text) > codeSize:
		for i := range text {
			text[i] ^= mask[i%len(mask)]
		}
		if !utf8.Valid(text[codeSize:]) {
			return errCloseText
		}
	}
	return nil
}
