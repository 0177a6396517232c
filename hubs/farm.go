package hubs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/hubs/internal/warn"
	"github.com/go-signalr/signalr/negotiate"
	"github.com/go-signalr/signalr/scaleout"
)

// farm is a hub's membership of the farm that serves it: what a hub sends goes
// out by it, and what any node sent comes in by it. It is the bus's Receiver. A
// hub without a bus of its own is a farm of one node.
//
// Deliver runs in the bus's goroutines, which must not wait or publish: answers
// leave by goroutines of their own, which close waits for.
type farm struct {
	hub      *Hub
	node     scaleout.Node
	alone    bool          // the bus is the hub's own: nobody else will ever join
	joined   chan struct{} // closed when node is set
	replies  sync.WaitGroup
	counts   busCounters
	warnings warn.Limiter

	requests requests

	mu     sync.Mutex
	silent map[scaleout.NodeID]struct{} // nodes that were silent when last heard of
	closed bool
}

// Outcomes of replies to an Invoke.
const (
	outcomeAnswered uint8 = iota
	outcomeUnknown        // there is no such connection
	outcomeLost           // the connection ended before it answered
	outcomeNothing        // the client gave no result
	outcomeFull           // the connection has no room for another group
	outcomeUnheard        // the client was held back for too long before it answered
)

func newFarm(h *Hub, name string, bus scaleout.Bus) (*farm, error) {
	f := &farm{hub: h, alone: bus == nil, joined: make(chan struct{}), silent: make(map[scaleout.NodeID]struct{})}
	if bus == nil {
		bus = scaleout.NewMemory()
	}
	node, err := bus.Join(name, f)
	f.node = countedNode{node, &f.counts}
	close(f.joined) // others may have sent already
	return f, err
}

// leaveTimeout is how long after the end of its context close may still take to notify
// the other nodes.
const leaveTimeout = time.Second

// close leaves the farm after the last reply, or when ctx is done.
func (f *farm) close(ctx context.Context) error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	replied := make(chan struct{})
	go func() {
		f.replies.Wait()
		close(replied)
	}()
	select {
	case <-replied:
	case <-ctx.Done():
	}
	leaving, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() {
		select {
		case <-time.After(leaveTimeout):
			cancel(context.Cause(ctx))
		case <-leaving.Done():
		}
	})()
	return f.node.Close(leaving)
}

// owner returns the node that a topic is on; 0: any.
func (f *farm) owner(topic scaleout.Topic) scaleout.NodeID {
	if topic.Kind != scaleout.Connection || bridge.IsConnectionID(topic.Name) {
		return 0
	}
	return ownerOf(topic.Name)
}

// ownerOf returns the node of a connection that is no guest.
func ownerOf(connectionID string) scaleout.NodeID {
	return scaleout.NodeID(negotiate.NodeOf(connectionID))
}

// topics returns the topics of a target; each is a message of its own.
func (t *Target) topics() []scaleout.Topic {
	if t.selector == selectAll {
		return []scaleout.Topic{{Kind: scaleout.All}}
	}
	kind := [...]scaleout.TopicKind{selectConnections: scaleout.Connection, selectGroups: scaleout.Group, selectUsers: scaleout.User}[t.selector]
	topics := make([]scaleout.Topic, len(t.names))
	for i, name := range t.names {
		topics[i] = scaleout.Topic{Kind: kind, Name: name}
	}
	return topics
}

// message returns the envelope of a broadcast for a topic.
func (f *farm) message(b *broadcast, topic scaleout.Topic, except []string) (*scaleout.Envelope, error) {
	e := &scaleout.Envelope{Kind: scaleout.Message, Topic: topic, Excluded: except, Target: b.method, Local: b}
	encodings := f.hub.encodings
	if f.alone {
		guests := f.hub.guests.Load()
		if guests == nil {
			return e, nil // frames are made when a receiver needs them
		}
		encodings = []*encoding{guests.json} // for the log
	}
	var err error
	e.Bodies, err = b.bodies(encodings)
	return e, err
}

// Deliver handles what another node, or this one, sent.
func (f *farm) Deliver(e *scaleout.Envelope) {
	<-f.joined
	f.counts.delivered.Add(1)
	g := f.hub.guests.Load()
	if g != nil {
		g.begin(e)
	}
	f.deliver(e)
	if g != nil {
		g.deliver(e)
	}
}

// Wants reports whether there is anybody here to get a message to a group or user.
func (f *farm) Wants(kind scaleout.TopicKind, name []byte) bool {
	<-f.joined
	return f.hub.guests.Load() != nil || f.hub.registry.has(kind, name)
}

// deliver is Deliver but for guests.
func (f *farm) deliver(e *scaleout.Envelope) {
	switch e.Kind {
	case scaleout.Message:
		f.hub.registry.each(e.Topic, e.Excluded, func(s *session) {
			if frame := f.frame(e, s.encoding); frame != nil {
				s.send(frame)
			}
		})
	case scaleout.Abort:
		reason := abortReason(e)
		f.hub.registry.each(e.Topic, e.Excluded, func(s *session) { go s.abort(reason) })
	case scaleout.AddToGroup, scaleout.RemoveFromGroup:
		f.reply(e, &scaleout.Envelope{Outcome: f.changeGroupHere(e)})
	case scaleout.Presence:
		answer := &scaleout.Envelope{}
		f.eachID(e, func(id string) { answer.Connections = append(answer.Connections, id) })
		f.reply(e, answer)
	case scaleout.Count:
		answer := &scaleout.Envelope{}
		f.eachID(e, func(string) { answer.Number++ })
		f.reply(e, answer)
	case scaleout.Invoke:
		f.invokeHere(e)
	case scaleout.Forget:
		f.hub.results.forget(remoteResultID(e))
	case scaleout.Reply:
		f.requests.replied(e)
	case scaleout.Missed:
		f.requests.fail(e.Publisher, errRequestLost)
	}
}

// abortEnvelope returns the envelope that ends connections for a reason, which may be
// nil.
func abortEnvelope(topic scaleout.Topic, except []string, reason error) *scaleout.Envelope {
	e := &scaleout.Envelope{Kind: scaleout.Abort, Topic: topic, Excluded: except}
	if reason != nil {
		e.Error, e.Outcome, e.Local = reason.Error(), abortInternal, reason
		if hubError := (*Error)(nil); errors.As(reason, &hubError) && hubError != nil {
			e.Error, e.Outcome = hubError.text, abortForClient
		}
	}
	return e
}

// abortReason returns why an envelope ends connections: the error itself, if it comes
// from this process.
func abortReason(e *scaleout.Envelope) error {
	if reason, ok := e.Local.(error); ok {
		return reason
	}
	switch e.Outcome {
	case abortForClient:
		return NewError(e.Error)
	case abortInternal:
		return errors.New(e.Error)
	default:
		return nil
	}
}

// Outcomes of an Abort: for whom the text of its reason is.
const (
	abortForClient uint8 = iota + 1
	abortInternal
)

// eachID calls do for every connection here that an envelope is about, guests
// included.
func (f *farm) eachID(e *scaleout.Envelope, do func(id string)) {
	f.hub.registry.each(e.Topic, e.Excluded, func(s *session) { do(s.id) })
	if g := f.hub.guests.Load(); g != nil {
		g.registry.each(e.Topic, e.Excluded, func(m *guest) { do(m.id) })
	}
}

// changeGroupHere changes the groups of connections of this node, and returns the
// outcome to reply.
func (f *farm) changeGroupHere(e *scaleout.Envelope) uint8 {
	if e.Topic.Kind != scaleout.Group {
		return f.hub.registry.changeGroup(e.Kind, e.Topic.Name, e.Group)
	}
	if g := f.hub.guests.Load(); g != nil {
		return g.changeGroup(e)
	}
	return outcomeUnknown
}

// frame returns a message's bytes for connections of an encoding.
func (f *farm) frame(e *scaleout.Envelope, encoding *encoding) []byte {
	var frame []byte
	if b, ok := e.Local.(*broadcast); ok && b.hub == f.hub {
		var err error
		if frame, err = b.frame(encoding); err != nil {
			f.logLater(slog.LevelError, "a message cannot be encoded", "method", e.Target, "protocol", encoding.protocol.Name(), "error", err)
		}
		return frame
	}
	if frame = e.Body(encoding.protocol.Name()); frame == nil {
		f.logLater(slog.LevelError, "a message of another node lacks the protocol of a client: all nodes must have the same protocols",
			"method", e.Target, "protocol", encoding.protocol.Name())
	}
	return frame
}

// NodeLeft ends the requests to a node that has left.
func (f *farm) NodeLeft(id scaleout.NodeID) {
	f.later(func() { f.hub.logger.Info("a node has left", "node", id) })
	f.mu.Lock()
	delete(f.silent, id)
	f.mu.Unlock()
	f.requests.fail(id, scaleout.ErrNoNode)
}

// NodeSilent ends the requests to a node that has died or is cut off. What was sent to
// it arrives if it comes back.
func (f *farm) NodeSilent(id scaleout.NodeID) {
	f.later(func() { f.hub.logger.Warn("a node is silent", "node", id) })
	f.mu.Lock()
	f.silent[id] = struct{}{}
	f.mu.Unlock()
	f.requests.fail(id, errNodeSilent)
}

// isSilent reports whether a node was silent and is not back.
func (f *farm) isSilent(id scaleout.NodeID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, was := f.silent[id]; !was {
		return false
	}
	if slices.Contains(f.node.Nodes(), id) {
		delete(f.silent, id)
		return false
	}
	return true
}

// Lost ends the requests that may be among what is missing, here and on the nodes that
// have sent it. If it is not known what was sent to this node alone, what was meant for
// its connections may be missing too, such as the end of one or of a membership: they
// are ended, so that their clients connect anew.
func (f *farm) Lost(l scaleout.Loss) {
	f.counts.losses.Add(1)
	f.counts.lost.Add(l.Count)
	f.logLater(slog.LevelError, "messages between the nodes are lost", "reason", l.Reason, "publisher", l.Publisher, "count", l.Count, "own", l.Own)
	switch {
	case l.Own:
		f.requests.fail(l.Publisher, errRequestLost)
		f.later(func() { f.tellMissed(l.Publisher) })
		if l.Publisher == 0 {
			f.hub.registry.each(scaleout.Topic{Kind: scaleout.All}, nil, func(s *session) { go s.fail(ErrNodeCutOff) })
		}
	case l.Publisher == 0:
		f.requests.fail(0, errRequestLost)
	}
}

// tellMissed notifies a node, or all, that what it has sent to this one may be lost.
func (f *farm) tellMissed(publisher scaleout.NodeID) {
	e := &scaleout.Envelope{Kind: scaleout.Missed}
	var err error
	if publisher == 0 {
		err = f.node.Publish(context.Background(), e)
	} else {
		err = f.node.Send(context.Background(), publisher, e)
	}
	if err != nil && !errors.Is(err, scaleout.ErrNoNode) {
		f.log(slog.LevelWarn, "other nodes cannot be notified of what is lost", "error", err)
	}
}

// later runs what may wait or publish, such as a log handler of the application's,
// in a goroutine that close waits for.
func (f *farm) later(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.replies.Go(do)
	}
}

// log logs what may go wrong with each message: at that level once in a while, else at
// Debug.
func (f *farm) log(level slog.Level, message string, args ...any) {
	f.hub.logger.Log(context.Background(), f.warnings.Level(level, message), message, args...)
}

// logLater is log where nothing may be waited for.
func (f *farm) logLater(level slog.Level, message string, args ...any) {
	f.later(func() { f.log(level, message, args...) })
}

// reply answers a question without waiting.
func (f *farm) reply(question, answer *scaleout.Envelope) {
	if question.Request == 0 {
		return
	}
	answer.Kind, answer.Request = scaleout.Reply, question.Request
	f.later(func() {
		err := f.node.Send(context.Background(), question.ReplyTo, answer)
		if err != nil && !errors.Is(err, scaleout.ErrNoNode) {
			f.log(slog.LevelWarn, "a node cannot be answered", "node", question.ReplyTo, "error", err)
		}
	})
}

// ask sends a request to a node and waits for the reply, for as long as
// [WithNodeReplyTimeout] says. A node that does not exist, or leaves before it has
// replied, gives scaleout.ErrNoNode.
func (f *farm) ask(ctx context.Context, to scaleout.NodeID, question *scaleout.Envelope) (*scaleout.Envelope, error) {
	number, replies := f.requests.addTo(to)
	defer f.requests.remove(number)
	question.Request, question.ReplyTo = number, f.node.ID()
	ctx, cancel := f.withReplyTimeout(ctx)
	defer cancel()
	return f.await(ctx, to, replies, question)
}

func (f *farm) withReplyTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, f.hub.config.nodeReplyTimeout, errNoReply)
}

// await sends a request and waits for the reply that was expected. A node that is
// silent gets the request too, should it come back.
func (f *farm) await(ctx context.Context, to scaleout.NodeID, replies <-chan reply, question *scaleout.Envelope) (*scaleout.Envelope, error) {
	if err := f.node.Send(ctx, to, question); err != nil {
		return nil, err
	}
	if f.isSilent(to) {
		return nil, errNodeSilent
	}
	select {
	case r := <-replies:
		return r.envelope, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// changeGroup adds a connection of any node to a group or removes it. A
// connection that does not exist is not an error.
func (f *farm) changeGroup(ctx context.Context, kind scaleout.Kind, connectionID, group string) error {
	topic := scaleout.Topic{Kind: scaleout.Connection, Name: connectionID}
	owner := f.owner(topic)
	if owner == 0 {
		return f.changeGuestsGroup(ctx, kind, connectionID, group)
	}
	e := &scaleout.Envelope{Kind: kind, Topic: topic, Group: group}
	if owner == f.node.ID() {
		f.deliver(e)
		return nil
	}
	if _, err := f.ask(ctx, owner, e); err != nil && !errors.Is(err, scaleout.ErrNoNode) {
		return err
	}
	return nil
}

// changeGuestsGroup changes the groups of a guest, which may be on any node. The
// change goes by the group's stream: a guest that is on its way from one node to
// another comes across it in the log, at its place among the group's messages.
func (f *farm) changeGuestsGroup(ctx context.Context, kind scaleout.Kind, connectionID, group string) error {
	var mu sync.Mutex
	var replies []reply
	news := make(chan struct{}, 1)
	number := f.requests.add(&request{0, func(r reply) {
		mu.Lock()
		replies = append(replies, r)
		mu.Unlock()
		select {
		case news <- struct{}{}:
		default:
		}
	}})
	defer f.requests.remove(number)
	waiting := f.node.Nodes() // before: one that joins after the change never hears of it
	err := f.node.Publish(ctx, &scaleout.Envelope{
		Kind:        kind,
		Topic:       scaleout.Topic{Kind: scaleout.Group, Name: group},
		Connections: []string{connectionID},
		Request:     number,
		ReplyTo:     f.node.ID(),
	})
	if err != nil {
		return err
	}
	ctx, cancel := f.withReplyTimeout(ctx)
	defer cancel()
	for len(waiting) > 0 {
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		mu.Lock()
		got := replies
		replies = nil
		mu.Unlock()
		for _, r := range got {
			switch {
			case r.err != nil && !isUnreachable(r.err):
				return r.err
			case r.err == nil && r.envelope.Outcome == outcomeAnswered:
				return nil
			case r.err == nil && r.envelope.Outcome == outcomeFull:
				return fmt.Errorf("%w: %s", ErrTooManyGroups, connectionID)
			}
			waiting = slices.DeleteFunc(waiting, func(id scaleout.NodeID) bool { return id == r.from })
		}
	}
	return nil // nobody has it, but for a node that is silent, which comes across it later
}

// askAll asks every node and collects the answers of those that live. This node
// is asked first.
func (f *farm) askAll(ctx context.Context, question scaleout.Envelope) (map[scaleout.NodeID]*scaleout.Envelope, error) {
	nodes := f.node.Nodes()
	replies := make(chan reply, len(nodes))
	for _, id := range nodes {
		go func() {
			q := question
			answer, err := f.ask(ctx, id, &q)
			replies <- reply{id, answer, err}
		}()
	}
	answers := make(map[scaleout.NodeID]*scaleout.Envelope, len(nodes))
	var failure error
	for range nodes {
		switch r := <-replies; {
		case r.err == nil:
			answers[r.from] = r.envelope
		case !isUnreachable(r.err):
			failure = r.err
		}
	}
	return answers, failure
}

// remoteResultID is the invocation id of an Invoke from another node.
func remoteResultID(e *scaleout.Envelope) string {
	return fmt.Sprintf("%08x-%d", uint32(e.ReplyTo), e.Request)
}

// invokeThere asks a client of another node.
func (f *farm) invokeThere(ctx context.Context, owner scaleout.NodeID, connectionID, method string, args []any) (*clientAnswer, error) {
	if f.isSilent(owner) {
		return nil, errNodeSilent // nobody would wait for the client's answer when it is back
	}
	number, answers := f.requests.addTo(owner)
	defer f.requests.remove(number)
	question := &scaleout.Envelope{
		Kind:    scaleout.Invoke,
		Topic:   scaleout.Topic{Kind: scaleout.Connection, Name: connectionID},
		Target:  method,
		Request: number,
		ReplyTo: f.node.ID(),
	}
	for _, e := range f.hub.encodings {
		frame, err := e.invocation(remoteResultID(question), method, args)
		if err != nil {
			return nil, err
		}
		question.Bodies = append(question.Bodies, scaleout.Body{Protocol: e.protocol.Name(), Data: frame})
	}
	answer, err := f.await(ctx, owner, answers, question)
	switch {
	case errors.Is(err, scaleout.ErrNoNode):
		return &clientAnswer{outcome: outcomeUnknown}, nil
	case err != nil:
		forget := &scaleout.Envelope{Kind: scaleout.Forget, Topic: question.Topic, Request: number, ReplyTo: f.node.ID()}
		f.later(func() { // the owner remembers until the client leaves, if this fails
			_ = f.node.Send(context.WithoutCancel(ctx), owner, forget)
		})
		return nil, err
	}
	result := &clientAnswer{outcome: answer.Outcome, failure: answer.Error}
	if len(answer.Bodies) > 0 {
		for _, e := range f.hub.encodings {
			if e.protocol.Name() == answer.Bodies[0].Protocol {
				result.encoding, result.result = e, answer.Bodies[0].Data
			}
		}
		if result.encoding == nil {
			return nil, fmt.Errorf("hubs: another node answers in the protocol %q, which this one lacks", answer.Bodies[0].Protocol)
		}
	}
	return result, nil
}

// invokeHere asks a client of this node for another one.
func (f *farm) invokeHere(e *scaleout.Envelope) {
	s := f.hub.registry.find(e.Topic.Name)
	if s == nil {
		f.reply(e, &scaleout.Envelope{Outcome: outcomeUnknown})
		return
	}
	frame := f.frame(e, s.encoding)
	if frame == nil {
		f.reply(e, &scaleout.Envelope{Outcome: outcomeUnknown})
		return
	}
	f.hub.results.expect(remoteResultID(e), s, func(a *clientAnswer) {
		reply := &scaleout.Envelope{Outcome: a.outcome, Error: a.failure}
		if a.result != nil {
			reply.Bodies = []scaleout.Body{{Protocol: a.encoding.protocol.Name(), Data: a.result}}
		}
		f.reply(e, reply)
	})
	s.send(frame)
}
