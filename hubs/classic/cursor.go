package classic

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"strings"

	"github.com/go-signalr/signalr/scaleout"
)

// cursorVersion begins the text of every cursor.
const cursorVersion = 'g'

var errCursor = errors.New("classic: not a cursor")

// cursor is what a client has received: for each of its hubs the position in each
// stream of the bus. Its text is the same on every node, and opaque to clients. What
// they get has a signature behind it ([tokens.sign]): an older cursor with later
// groups would bring what was sent to a group before the client joined, a later one
// with older groups would bring back memberships that were taken away.
type cursor struct {
	shape     uint32 // of what hubs and how many streams
	positions [][]scaleout.Position
}

// shapeOf returns a number for hubs, which tells whether a cursor was made for
// them.
func shapeOf(names []string, streams func(i int) int) uint32 {
	h := fnv.New32a()
	for i, name := range names {
		_, _ = h.Write(binary.AppendUvarint(appendText(nil, name), uint64(streams(i))))
	}
	return h.Sum32()
}

// appendCursor appends the text of a cursor: a version, and in base64 the shape,
// the largest major number, and the positions by their distance to that, so that
// streams of about the same time take few bytes.
func appendCursor(dst []byte, c cursor) []byte {
	var buffer [256]byte
	b := binary.BigEndian.AppendUint32(buffer[:0], c.shape)
	b = binary.AppendUvarint(b, uint64(len(c.positions)))
	var newest uint64
	for _, hub := range c.positions {
		for _, p := range hub {
			newest = max(newest, p.Major)
		}
	}
	b = binary.AppendUvarint(b, newest)
	for _, hub := range c.positions {
		b = binary.AppendUvarint(b, uint64(len(hub)))
		for _, p := range hub {
			// Positions of streams that were never used are the commonest.
			if p == (scaleout.Position{}) {
				b = append(b, 0)
				continue
			}
			b = append(b, 1)
			b = binary.AppendUvarint(b, newest-p.Major)
			b = binary.AppendUvarint(b, p.Minor)
		}
	}
	dst = append(dst, cursorVersion)
	return base64.RawURLEncoding.AppendEncode(dst, b)
}

// longestCursor returns how long the text of a cursor of hubs can be.
func longestCursor(hubs, streams int) int {
	const (
		head     = 4 + 2*binary.MaxVarintLen64
		position = 1 + 2*binary.MaxVarintLen64
	)
	return 1 + base64.RawURLEncoding.EncodedLen(head+hubs*binary.MaxVarintLen64+streams*position)
}

// signatureMark begins the signature of a cursor.
const signatureMark = '.'

// signatureLength is how much longer a cursor is by its signature.
var signatureLength = 1 + base64.RawURLEncoding.EncodedLen(signatureSize)

// appendSigned appends the text of a cursor and its signature.
func appendSigned(dst []byte, c cursor, sign func(dst, text []byte) []byte) []byte {
	start := len(dst)
	dst = appendCursor(dst, c)
	var signature [signatureSize]byte
	s := sign(signature[:0], dst[start:])
	return base64.RawURLEncoding.AppendEncode(append(dst, signatureMark), s)
}

// parseSigned reads the text of a cursor and its signature; none, if there is none.
// Text is what was signed. The caller limits its length.
func parseSigned(signed string) (c cursor, text string, signature []byte, err error) {
	text, encoded, found := strings.Cut(signed, string(signatureMark))
	if c, err = parseCursor(text); err != nil || !found {
		return c, text, nil, err
	}
	signature, err = base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(signature) != signatureSize {
		return cursor{}, "", nil, errCursor
	}
	return c, text, signature, nil
}

// parseCursor reads the text of a cursor. The caller limits its length.
func parseCursor(text string) (cursor, error) {
	if text == "" || text[0] != cursorVersion {
		return cursor{}, errCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text[1:])
	if err != nil || len(b) < 4 {
		return cursor{}, errCursor
	}
	c := cursor{shape: binary.BigEndian.Uint32(b)}
	r := reader{rest: b[4:]}
	n := r.number()
	newest := r.number()
	if n > uint64(len(r.rest)) {
		return cursor{}, errCursor
	}
	for ; n > 0; n-- {
		streams := r.number()
		if r.failed || streams > uint64(len(r.rest)) {
			return cursor{}, errCursor
		}
		hub := make([]scaleout.Position, streams)
		for i := range hub {
			switch r.number() {
			case 0:
			case 1:
				back := r.number()
				if back > newest {
					return cursor{}, errCursor
				}
				hub[i] = scaleout.Position{Major: newest - back, Minor: r.number()}
			default:
				return cursor{}, errCursor
			}
		}
		c.positions = append(c.positions, hub)
	}
	if r.failed || len(r.rest) > 0 {
		return cursor{}, errCursor
	}
	return c, nil
}
