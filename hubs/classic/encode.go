package classic

import (
	"encoding/json"

	"github.com/go-signalr/signalr/protocol"
)

// jsonValues encodes and decodes values by the rules of the arguments.
var jsonValues = protocol.NewJSON()

// encodeValue returns the JSON of a value of the application.
func encodeValue(value any) (json.RawMessage, error) { return jsonValues.AppendValue(nil, value) }

// decodeValue decodes a value of a client.
func decodeValue(text []byte, into any) error { return jsonValues.Unmarshal(text, into) }
