package hubs

import (
	"context"
	"sync"

	"github.com/go-signalr/signalr/scaleout"
)

// Connections returns the ids of the connections that the target names at the
// moment, on all nodes: every node that lives is asked, so that none is left over
// from a node that died. A connection in two groups of a list is named twice.
func (t Target) Connections(ctx context.Context) ([]string, error) {
	var ids []string
	err := t.ask(ctx, scaleout.Presence, func(answer *scaleout.Envelope) { ids = append(ids, answer.Connections...) })
	return ids, err
}

// Count returns how many connections the target names at the moment, like
// [Target.Connections] but without their ids.
func (t Target) Count(ctx context.Context) (int, error) {
	n := 0
	err := t.ask(ctx, scaleout.Count, func(answer *scaleout.Envelope) { n += int(answer.Number) })
	return n, err
}

// ask collects the answers of all nodes to a question about the target.
func (t Target) ask(ctx context.Context, kind scaleout.Kind, collect func(*scaleout.Envelope)) error {
	if t.hub == nil {
		return errNoTarget
	}
	topics := t.topics()
	answers := make([]map[scaleout.NodeID]*scaleout.Envelope, len(topics))
	errs := make([]error, len(topics))
	var wait sync.WaitGroup
	room := make(chan struct{}, surveys)
	for i, topic := range topics {
		room <- struct{}{}
		wait.Go(func() {
			defer func() { <-room }()
			answers[i], errs[i] = t.hub.farm.askAll(ctx, scaleout.Envelope{Kind: kind, Topic: topic, Excluded: t.except})
		})
	}
	wait.Wait()
	for i := range topics {
		if errs[i] != nil {
			return errs[i]
		}
		for _, answer := range answers[i] {
			collect(answer)
		}
	}
	return nil
}

// surveys is how many topics all nodes are asked about at the same time.
const surveys = 64
