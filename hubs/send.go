package hubs

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-signalr/signalr/scaleout"
)

// SendError is the error of a message to several connections, groups or users, or of their
// Abort, that has not reached all of them.
type SendError struct {
	// Failed are the names of those that the message has not reached, as far as is
	// known; it has reached the others.
	Failed []string
	// Err is the first failure.
	Err error
}

// Error returns a text with the first failure.
func (e *SendError) Error() string {
	return fmt.Sprintf("hubs: the message was not sent to %d of its targets: %v", len(e.Failed), e.Err)
}

// Unwrap returns the first failure.
func (e *SendError) Unwrap() error { return e.Err }

// send brings an envelope for each topic of a target on its way, and waits for that unless
// the target has a pipeline.
func (f *farm) send(ctx context.Context, t *Target, envelope func(scaleout.Topic) (*scaleout.Envelope, error)) error {
	topics := t.topics()
	if t.pipeline == nil && len(topics) == 1 {
		e, err := envelope(topics[0])
		if err != nil {
			return err
		}
		return f.sendOne(ctx, e)
	}
	var failed SendError
	w := &window{farm: f, done: failed.note}
	if t.pipeline != nil {
		w = &t.pipeline.window
	}
	for len(topics) > 0 && failed.Err == nil {
		e, err := envelope(topics[0])
		if err != nil {
			return err
		}
		w.start(ctx, e)
		topics = topics[1:]
	}
	if t.pipeline != nil {
		return nil
	}
	w.drain()
	if failed.Err == nil {
		return nil
	}
	for _, topic := range topics { // they would have waited for the bus as long again
		failed.note(topic, failed.Err)
	}
	return &failed
}

func (e *SendError) note(topic scaleout.Topic, err error) {
	if err != nil {
		e.Failed = append(e.Failed, topic.Name)
		if e.Err == nil {
			e.Err = err
		}
	}
}

// sendOne sends an envelope. What is for a connection of this node does not touch the bus.
func (f *farm) sendOne(ctx context.Context, e *scaleout.Envelope) error {
	switch owner := f.owner(e.Topic); owner {
	case 0:
		return f.node.Publish(ctx, e)
	case f.node.ID():
		f.deliver(e)
		return nil
	default:
		return sent(f.node.Send(ctx, owner, e))
	}
}

// sent returns the outcome of a message to another node: that nobody has the connection is
// no error.
func sent(err error) error {
	if errors.Is(err, scaleout.ErrNoNode) {
		return nil
	}
	return err
}

// What may be on its way to the bus at once. It is less than a bus has room for.
const (
	windowMessages = 1024
	windowBytes    = 1 << 20
)

// window sends envelopes without waiting for each, in order. It is not safe for concurrent
// use.
type window struct {
	farm *farm
	// done is called with the outcome of each envelope.
	done   func(topic scaleout.Topic, err error)
	flight []flight // the oldest first
	bytes  int
}

// flight is an envelope on its way to the bus.
type flight struct {
	topic scaleout.Topic
	size  int
	wait  func() error
}

// start begins to send an envelope. It waits while too much is on its way.
func (w *window) start(ctx context.Context, e *scaleout.Envelope) {
	size := e.Size()
	for len(w.flight) >= windowMessages || len(w.flight) > 0 && w.bytes+size > windowBytes {
		w.land()
	}
	owner := w.farm.owner(e.Topic)
	if owner == w.farm.node.ID() && len(w.flight) == 0 {
		w.farm.deliver(e)
		w.done(e.Topic, nil)
		return
	}
	// Else one for a connection here goes by the bus as well, behind what is on its way.
	for {
		wait, err := w.farm.node.Start(ctx, owner, e)
		switch {
		case err == nil:
			w.flight = append(w.flight, flight{e.Topic, size, wait})
			w.bytes += size
			return
		case errors.Is(err, scaleout.ErrFull) && len(w.flight) > 0:
			w.land()
		default:
			w.done(e.Topic, sent(err))
			return
		}
	}
}

// land waits for the oldest envelope.
func (w *window) land() {
	oldest := w.flight[0]
	w.flight[0] = flight{}
	w.flight = w.flight[1:]
	w.bytes -= oldest.size
	w.done(oldest.topic, sent(oldest.wait()))
}

// drain waits for all envelopes.
func (w *window) drain() {
	for len(w.flight) > 0 {
		w.land()
	}
	w.flight = nil
}
