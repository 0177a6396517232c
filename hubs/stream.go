package hubs

import (
	"errors"
	"iter"
	"reflect"
)

// streamShape turns the result of a streaming method into a resultStream.
type streamShape func(*Context, reflect.Value) (resultStream, error)

// errNoStream is a streaming method that returned nil.
var errNoStream = errors.New("hubs: the streaming method returned nil instead of a stream")

// streamShapeOf recognises iter.Seq2[T, error] and <-chan T; other types are not
// streams.
func streamShapeOf(t reflect.Type) streamShape {
	switch {
	case isSeq(t):
		return streamSeq
	case t.Kind() == reflect.Chan && t.ChanDir()&reflect.RecvDir != 0:
		return streamChan
	default:
		return nil
	}
}

// isSeq reports whether t is an iter.Seq2[T, error].
func isSeq(t reflect.Type) bool {
	if t.Kind() != reflect.Func || t.NumIn() != 1 || t.NumOut() != 0 {
		return false
	}
	yield := t.In(0)
	return yield.Kind() == reflect.Func && yield.NumIn() == 2 && yield.In(1) == errorType &&
		yield.NumOut() == 1 && yield.Out(0).Kind() == reflect.Bool
}

// typedStream is the result of a method registered with HandleStream1 and its
// like.
type typedStream[T any] iter.Seq2[T, error]

// untyped returns the stream, nil if there is none.
func (items typedStream[T]) untyped() resultStream {
	if items == nil {
		return nil
	}
	return func(yield func(any, error) bool) {
		items(func(item T, err error) bool { return yield(item, err) })
	}
}

func streamSeq(_ *Context, seq reflect.Value) (resultStream, error) {
	if seq.IsNil() {
		return nil, errNoStream
	}
	if s, ok := seq.Interface().(interface{ untyped() resultStream }); ok {
		return s.untyped(), nil
	}
	return func(yield func(any, error) bool) {
		seq.Call([]reflect.Value{reflect.MakeFunc(seq.Type().In(0), func(in []reflect.Value) []reflect.Value {
			err, _ := in[1].Interface().(error)
			return []reflect.Value{reflect.ValueOf(yield(in[0].Interface(), err))}
		})})
	}, nil
}

func streamChan(c *Context, ch reflect.Value) (resultStream, error) {
	if ch.IsNil() {
		return nil, errNoStream
	}
	return func(yield func(any, error) bool) {
		cases := []reflect.SelectCase{
			{Dir: reflect.SelectRecv, Chan: ch},
			{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c.Done())},
		}
		for {
			chosen, item, ok := reflect.Select(cases)
			if chosen == 1 || !ok || !yield(item.Interface(), nil) {
				return
			}
		}
	}, nil
}

// sendStream sends the items of a stream until it ends, fails, or the call is
// cancelled. It waits while the client's outbox is full, and with it the
// producer.
func (s *session) sendStream(c *call, items resultStream) (err error) {
	var chunk []byte
	items(func(item any, itemErr error) bool {
		if itemErr != nil {
			err = itemErr
			return false
		}
		if c.Err() != nil {
			return false
		}
		var frame []byte
		if frame, chunk, err = s.encoding.streamItem(chunk, c.id, item); err != nil {
			return false
		}
		return s.sendWait(&c.Context, frame) == nil
	})
	if c.Err() != nil {
		return nil // the client wants no more, however the producer takes it
	}
	return err
}
