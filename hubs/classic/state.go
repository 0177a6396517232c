package classic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
)

// ErrNotClassic is returned to code that is not called by a classic client.
var ErrNotClassic = errors.New("classic: the caller is not a classic client")

// callKey finds the call among the values of a context.
type callKey struct{}

// call is one call while it runs.
type call struct {
	endpoint *Endpoint
	from     *caller
	id       invocationID
	state    CallerState

	mu     sync.Mutex
	done   bool
	pushed bool // progress
}

// CallerState is what the client's page keeps in the state of its hub proxy: it
// comes with each call, and what a method changes goes back with the result and
// with what the method sends to its caller. The server
// keeps nothing of it. It is safe for concurrent use, also as a nil pointer.
type CallerState struct {
	mu       sync.Mutex
	received json.RawMessage
	values   map[string]json.RawMessage // nil: not parsed yet
	changed  map[string]json.RawMessage
}

// State returns the state that has come with a call, by the context of the hub
// method; nil if the caller is not a classic client.
func State(ctx context.Context) *CallerState {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return &c.state
	}
	return nil
}

// Get decodes a value of the state and reports whether there is one. Keys have
// the case that the client gave them.
func (s *CallerState) Get(key string, into any) (bool, error) {
	if s == nil {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.parse(); err != nil {
		return false, err
	}
	value, ok := s.changed[key]
	if !ok {
		value, ok = s.values[key]
	}
	if !ok {
		return false, nil
	}
	return true, decodeValue(value, into)
}

// Set changes a value of the state. The error is [ErrNotClassic], or that of
// encoding the value.
func (s *CallerState) Set(key string, value any) error {
	if s == nil {
		return ErrNotClassic
	}
	text, err := encodeValue(value)
	if err != nil {
		return fmt.Errorf("classic: the state %q cannot be encoded: %w", key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.parse(); err != nil {
		return err
	}
	if received, ok := s.values[key]; ok && equalJSON(received, text) {
		delete(s.changed, key)
		return nil
	}
	if s.changed == nil {
		s.changed = make(map[string]json.RawMessage)
	}
	s.changed[key] = text
	return nil
}

// parse reads what was received when it is asked for.
func (s *CallerState) parse() error {
	if s.values != nil {
		return nil
	}
	values := make(map[string]json.RawMessage)
	if len(s.received) > 0 {
		if err := json.Unmarshal(s.received, &values); err != nil {
			return fmt.Errorf("classic: the state of the client is malformed: %w", err)
		}
	}
	s.values = values
	return nil
}

// changes returns what goes back to the client; nil: nothing does.
func (s *CallerState) changes() json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.changed) == 0 {
		return nil
	}
	text, _ := json.Marshal(s.changed) // never fails: each was encoded before
	return text
}

func equalJSON(a, b []byte) bool {
	var compactA, compactB bytes.Buffer
	return json.Compact(&compactA, a) == nil && json.Compact(&compactB, b) == nil &&
		bytes.Equal(compactA.Bytes(), compactB.Bytes())
}
