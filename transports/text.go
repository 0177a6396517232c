package transports

import (
	"errors"
	"unicode/utf8"
)

// errNotText ends a WebSocket on which a text message came that is not UTF-8.
var errNotText = errors.New("transports: a text message of the client is not valid UTF-8")

// textCheck checks that the pieces of a text make up valid UTF-8; they may be cut
// anywhere. The zero value is ready for a text.
type textCheck struct {
	begun [utf8.UTFMax]byte // of a character whose end is to come
	n     int
}

// valid reports whether the text up to the end of piece may be valid.
func (c *textCheck) valid(piece []byte) bool {
	for c.n > 0 && len(piece) > 0 {
		c.begun[c.n] = piece[0]
		c.n++
		piece = piece[1:]
		if b := c.begun[:c.n]; utf8.FullRune(b) {
			if !utf8.Valid(b) {
				return false
			}
			c.n = 0
		}
	}
	for i := 1; i < utf8.UTFMax && i <= len(piece); i++ {
		if last := piece[len(piece)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				c.n = copy(c.begun[:], last)
				piece = piece[:len(piece)-i]
			}
			break
		}
	}
	return utf8.Valid(piece)
}

// end reports whether the text is complete, and makes c ready for the next one.
func (c *textCheck) end() bool {
	complete := c.n == 0
	c.n = 0
	return complete
}

// isText reports whether messages, one behind the other, are valid UTF-8.
func isText(messages [][]byte) bool {
	var check textCheck
	for _, m := range messages {
		if !check.valid(m) {
			return false
		}
	}
	return check.end()
}
