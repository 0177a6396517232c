package classic

import (
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/go-signalr/signalr/protocol"
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

// decodeValue decodes a value of a client by the rules of the arguments.
func decodeValue(text []byte, into any) error { return protocol.NewJSON().Unmarshal(text, into) }
