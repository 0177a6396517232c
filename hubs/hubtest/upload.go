package hubtest

import (
	"iter"
	"reflect"

	"github.com/go-signalr/signalr/protocol"
)

// upload sends a stream to the hub.
func (call *Call) upload(id string, items iter.Seq2[any, error]) {
	c := call.client
	end := &protocol.Completion{InvocationID: id}
	for item, err := range items {
		var raw []byte
		if err == nil {
			raw, err = c.protocol.AppendValue(nil, item)
		}
		if err != nil {
			end.Error = err.Error()
			break
		}
		if c.write(&protocol.StreamItem{InvocationID: id, Item: raw}) != nil {
			return
		}
	}
	_ = c.write(end) // a connection that has ended knows
}

// itemsOf returns the items of an argument that is a stream, until one of the
// channels is closed. For other arguments it returns nil.
func itemsOf(arg any, answered, done <-chan struct{}) iter.Seq2[any, error] {
	v := reflect.ValueOf(arg)
	if !v.IsValid() {
		return nil
	}
	t := v.Type()
	stopped := func() bool {
		select {
		case <-answered:
			return true
		case <-done:
			return true
		default:
			return false
		}
	}
	switch {
	case t.Kind() == reflect.Chan && t.ChanDir()&reflect.RecvDir != 0:
		return receiveFrom(v, answered, done)
	case t.Kind() != reflect.Func:
		return nil
	case t.CanSeq():
		return func(yield func(any, error) bool) {
			for item := range v.Seq() {
				if stopped() || !yield(item.Interface(), nil) {
					return
				}
			}
		}
	case t.CanSeq2() && t.In(0).In(1) == reflect.TypeFor[error]():
		return func(yield func(any, error) bool) {
			for item, failure := range v.Seq2() {
				err, _ := failure.Interface().(error)
				if stopped() || !yield(item.Interface(), err) {
					return
				}
			}
		}
	default:
		return nil
	}
}

func receiveFrom(ch reflect.Value, answered, done <-chan struct{}) iter.Seq2[any, error] {
	cases := []reflect.SelectCase{
		{Dir: reflect.SelectRecv, Chan: ch},
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(answered)},
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(done)},
	}
	return func(yield func(any, error) bool) {
		for {
			chosen, item, ok := reflect.Select(cases)
			if chosen != 0 || !ok || !yield(item.Interface(), nil) {
				return
			}
		}
	}
}
