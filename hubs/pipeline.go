package hubs

import (
	"fmt"

	"github.com/go-signalr/signalr/scaleout"
)

// Pipeline sends many messages without waiting for each to be on the message bus, which
// matters to a loop that sends to clients of several nodes:
//
//	p := hub.NewPipeline()
//	for _, quote := range quotes {
//		if err := hub.Clients().Group(quote.Symbol).Via(p).Send(ctx, "quote", quote); err != nil {
//			return err
//		}
//	}
//	return p.Wait()
//
// The messages keep their order. A send waits only while about a thousand messages, or
// 1 MiB of them, are on their way. The context of each send also bounds how long it is on
// its way.
//
// A Pipeline is for one goroutine: it is not safe for concurrent use. It has nothing to
// close.
type Pipeline struct {
	window window
	count  int
	failed int
	err    error // the first
}

// NewPipeline returns a pipeline for messages of the hub.
func (h *Hub) NewPipeline() *Pipeline {
	p := &Pipeline{}
	p.window = window{farm: h.farm, done: p.note}
	return p
}

// Via returns the target with a pipeline, which must be of the same hub: [Target.Send] and
// [Target.Abort] then return before the message is on the bus, and only the errors that
// show at once, such as arguments that cannot be encoded; [Pipeline.Wait] has the others.
// Messages to the caller of the current call do not go by it.
func (t Target) Via(p *Pipeline) Target {
	t.pipeline = p
	return t
}

func (p *Pipeline) note(_ scaleout.Topic, err error) {
	p.count++
	if err != nil {
		p.failed++
		if p.err == nil {
			p.err = err
		}
	}
}

// Wait waits until all messages are on the bus and have come back to this node, as
// [Target.Send] does without a pipeline. If some have failed since the last Wait, the error
// says how many, and wraps the first failure. A message to several groups, users or
// connections counts once for each.
func (p *Pipeline) Wait() error {
	p.window.drain()
	count, failed, err := p.count, p.failed, p.err
	p.count, p.failed, p.err = 0, 0, nil
	if err == nil {
		return nil
	}
	return fmt.Errorf("hubs: %d of %d messages failed, the first because: %w", failed, count, err)
}
