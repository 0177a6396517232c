package classic

import (
	"context"
	"errors"
	"fmt"
)

// ErrCompleted is returned by [Progress] after the method has returned.
var ErrCompleted = errors.New("classic: the call is complete")

// Progress tells the caller of a hub method how far it is, by the context of the
// method. Errors: [ErrNotClassic] if the caller is not a
// classic client, [ErrCompleted] if the method has returned, that of encoding the
// value, and those of the hub's bus.
func Progress(ctx context.Context, value any) error {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return ErrNotClassic
	}
	text, err := encodeValue(value)
	if err != nil {
		return fmt.Errorf("classic: the progress cannot be encoded: %w", err)
	}
	c.mu.Lock() // the result does not go before
	defer c.mu.Unlock()
	if c.done {
		return ErrCompleted
	}
	c.pushed = true
	return c.push(ctx, appendProgress(nil, string(c.id), text, c.state.changes()))
}

// finish lets nothing more be told, and reports whether anything was.
func (c *call) finish() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = true
	return c.pushed
}

// push sends a message to the caller, behind what it was sent before.
func (c *call) push(ctx context.Context, message []byte) error {
	switch here := c.from.connection; {
	case here != nil && here.log != nil:
		return here.log.append(message)
	case len(c.from.hubs) > 0:
		return c.from.hubs[0].hub.Push(ctx, c.from.id, message)
	default:
		return errors.New("classic: the caller listens to no hub, and is not on this node")
	}
}

// appendProgress appends the message of a progress. Its odd id keeps clients quiet
// that know no progress.
func appendProgress(b []byte, id string, value, state []byte) []byte {
	b = appendJSON(append(b, `{"I":`...), "P|"+id)
	b = appendJSON(append(b, `,"P":{"I":`...), id)
	b = append(append(b, `,"D":`...), value...)
	b = append(b, '}')
	if state != nil {
		b = append(append(b, `,"S":`...), state...)
	}
	return append(b, '}')
}
