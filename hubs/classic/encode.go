package classic

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// encodeValue returns the JSON of a value of the application. It may hold a
// json.RawMessage, whose bytes encoding/json passes through; one byte that is not
// UTF-8 in a text message makes browsers close.
func encodeValue(value any) (json.RawMessage, error) {
	text, err := json.Marshal(value)
	if err == nil && !utf8.Valid(text) {
		err = errors.New("classic: the JSON encoding of the value is not valid UTF-8")
	}
	return text, err
}
