package classic

import (
	"encoding/json"
	"errors"
	"fmt"
)

// WithData returns an error with data for classic clients, which find it as the
// data of theirs. Other clients get the text alone. The
// error is one of encoding the data, if they cannot be; it must be or wrap a
// [hubs.Error] to reach clients at all.
func WithData(err error, data any) error {
	text, encodeErr := encodeValue(data)
	if encodeErr != nil {
		return errors.Join(err, fmt.Errorf("classic: the data of an error cannot be encoded: %w", encodeErr))
	}
	return &dataError{err, text}
}

type dataError struct {
	err  error
	json json.RawMessage
}

func (e *dataError) Error() string { return e.err.Error() }

func (e *dataError) Unwrap() error { return e.err }
