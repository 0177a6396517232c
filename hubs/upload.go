package hubs

import (
	"context"
	"io"
	"reflect"
	"slices"
	"sync"
)

// upload is one stream from the client to a running hub method.
// The client's items wait in it until the method takes them.
type upload struct {
	call     *call
	id       string
	position int    // of the method's parameter, from 1
	pump     func() // feeds the channel that the method reads; nil: there is none

	mu      sync.Mutex
	items   []uploadItem
	err     error         // not nil: the stream ends after the items; io.EOF: without failure
	changed chan struct{} // closed when there is something new; nil: nobody waits
}

// uploadItem is an item that waits.
type uploadItem struct {
	raw   []byte // a copy
	ahead bool   // it counts to session.ahead, not to session.input
}

// itemOverhead is about what a waiting item takes in memory beside its bytes.
const itemOverhead = 64

func (i uploadItem) cost() int { return len(i.raw) + itemOverhead }

func newUpload(c *call, id string) *upload { return &upload{call: c, id: id} }

// push adds an item.
func (u *upload) push(item []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return // late items of a stream that ended are ignored
	}
	s := u.call.session()
	i := uploadItem{raw: slices.Clone(item)}
	if i.ahead = len(u.items) < s.hub.config.streamCapacity && s.ahead.try(i.cost()); !i.ahead {
		s.input.add(i.cost())
	}
	u.items = append(u.items, i)
	u.wake()
}

// end ends the stream after the items pushed so far; the first call counts.
func (u *upload) end(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err == nil {
		u.err = err
		u.wake()
	}
}

// discard ends the stream at once and forgets its items.
func (u *upload) discard() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, i := range u.items {
		u.uncount(i)
	}
	u.items = nil
	u.err = io.EOF
	u.wake()
}

func (u *upload) uncount(i uploadItem) {
	if i.ahead {
		u.call.session().ahead.add(-i.cost())
	} else {
		u.call.session().input.add(-i.cost())
	}
}

func (u *upload) wake() {
	if u.changed != nil {
		close(u.changed)
		u.changed = nil
	}
}

// next returns the next item, or the error that ended the stream; io.EOF is its
// proper end.
func (u *upload) next(ctx context.Context) ([]byte, error) {
	for {
		u.mu.Lock()
		if len(u.items) > 0 {
			item := u.items[0]
			u.items[0] = uploadItem{}
			u.items = u.items[1:]
			u.uncount(item)
			u.mu.Unlock()
			return item.raw, nil
		}
		if u.err != nil {
			defer u.mu.Unlock()
			return nil, u.err
		}
		if u.changed == nil {
			u.changed = make(chan struct{})
		}
		changed := u.changed
		u.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// decode reads an item into a new value. An item that does not decode fails the
// stream.
func (u *upload) decode(item []byte, of reflect.Type) (reflect.Value, error) {
	v := reflect.New(of)
	s := u.call.session()
	err := s.protect(u.call.method.name, func() error { // with the application's own unmarshalers
		return s.encoding.protocol.Unmarshal(item, v.Interface())
	})
	if err != nil {
		err = bindingError(textStreamBinding, u.position, of, err)
		s.hub.logger.Debug("stream item refused", "connection", s.conn.ID(), "method", u.call.method.name, "error", err)
		u.discard()
		return v.Elem(), err
	}
	return v.Elem(), nil
}

// uploadShape makes the value of a stream parameter.
type uploadShape func(*upload) reflect.Value

// uploadShapeOf recognises iter.Seq2[T, error] and <-chan T; other types are not
// streams.
func uploadShapeOf(t reflect.Type) uploadShape {
	switch {
	case isSeq(t):
		return func(u *upload) reflect.Value { return u.seq(t) }
	case t.Kind() == reflect.Chan && t.ChanDir() == reflect.RecvDir:
		return func(u *upload) reflect.Value { return u.channel(t) }
	default:
		return nil
	}
}

// seq returns the stream as an iter.Seq2[T, error]: it yields the error that
// ended it, if there is one, as its last element.
func (u *upload) seq(t reflect.Type) reflect.Value {
	of := t.In(0).In(0)
	return reflect.MakeFunc(t, func(in []reflect.Value) []reflect.Value {
		for {
			var v reflect.Value
			item, err := u.next(&u.call.Context)
			if err == io.EOF {
				return nil
			}
			if err == nil {
				v, err = u.decode(item, of)
			} else {
				v = reflect.Zero(of)
			}
			failure := reflect.Zero(errorType)
			if err != nil {
				failure = reflect.ValueOf(&err).Elem()
			}
			if more := in[0].Call([]reflect.Value{v, failure}); err != nil || !more[0].Bool() {
				return nil
			}
		}
	})
}

// channel returns the stream as a channel, which is closed at its end; a failure
// also cancels the call, since a channel cannot tell it.
func (u *upload) channel(t reflect.Type) reflect.Value {
	items := reflect.MakeChan(reflect.ChanOf(reflect.BothDir, t.Elem()), 0)
	u.pump = func() {
		defer items.Close()
		done := reflect.ValueOf(u.call.Done())
		for {
			item, err := u.next(&u.call.Context)
			if err == io.EOF {
				return
			}
			var v reflect.Value
			if err == nil {
				v, err = u.decode(item, t.Elem())
			}
			switch {
			case u.call.Err() != nil:
				return // nobody reads the channel any more
			case err != nil:
				u.call.fail(err)
				return
			}
			chosen, _, _ := reflect.Select([]reflect.SelectCase{
				{Dir: reflect.SelectSend, Chan: items, Send: v},
				{Dir: reflect.SelectRecv, Chan: done},
			})
			if chosen == 1 {
				return
			}
		}
	}
	return items.Convert(t)
}
