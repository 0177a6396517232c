package hubs

import (
	"fmt"
	"time"
)

// DefaultShutdownGrace is the default of [WithShutdownGrace].
const DefaultShutdownGrace = 5 * time.Second

// WithShutdownGrace sets for how long [Hub.Shutdown] lets calls and streams that are
// running go on, each connection for itself: what they return or send until then reaches
// the client. Afterwards their contexts end with [ErrShutdown], and the client is told
// to connect anew; one without running calls is told at once. 0 means not to wait. The
// default is [DefaultShutdownGrace]. Endpoints of package classic keep to it too. ASP.NET Core cancels running calls at once.
func WithShutdownGrace(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("hubs: the shutdown grace must not be negative, not %v", d)
		}
		c.shutdownGrace = d
		return nil
	}
}

// errDraining refuses a call that comes, or still waits, during a shutdown.
var errDraining = NewError("The server is shutting down.")

// Drain implements [transports.Drainer]: it lets running calls return within the
// shutdown grace, and no others start.
func (s *session) Drain() {
	grace := s.hub.config.shutdownGrace
	if grace == 0 {
		return
	}
	drained := s.startDraining()
	if drained == nil {
		return
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-drained:
	case <-timer.C:
	}
}

// giveUpDraining is called when the client, which has lost its transport, cannot get
// the results any more.
func (s *session) giveUpDraining() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drained != nil {
		close(s.drained)
		s.drained = nil
	}
}

// startDraining refuses the calls that wait, and those that will come. It returns a
// channel that is closed when no call runs any more, or the session ends; nil: none
// runs.
func (s *session) startDraining() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	if s.phase == phaseConnected {
		for _, c := range s.waiting { // they are inline: others do not wait by now
			s.input.add(-c.cost)
			s.refuse(c.id, c.drained(), s.send)
		}
		s.waiting = nil
	}
	if !s.runs() || s.away.Load() { // nobody is there to be told the results
		return nil
	}
	if s.drained == nil { // else Shutdown was called before, and gave up
		s.drained = make(chan struct{})
	}
	return s.drained
}

// drained returns the refusal of a call during a shutdown.
func (c *call) drained() *refusal {
	if c.refused() != nil {
		return c.refused()
	}
	return &refusal{c.method.failedText(), errDraining}
}

// runs reports whether the application's code runs for the client, or is about to. The
// session is locked.
func (s *session) runs() bool {
	return s.phase != phaseEnding && s.phase != phaseHandshake &&
		(s.phase == phaseConnecting || len(s.active) > 0 || s.asking > 0 || s.unslotted > 0)
}

// noteReturn tells drain when the last call has returned, and its answer is on its way.
// The session is locked.
func (s *session) noteReturn() {
	if s.drained != nil && !s.runs() {
		close(s.drained)
		s.drained = nil
	}
}
