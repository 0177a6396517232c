package protocol

import "sync"

// Recycler is what a [Protocol] may be as well: one that returns the same memory
// again and again. The protocols of this package are.
type Recycler interface {
	// Recycle takes back a message that Parse has returned and nobody uses any
	// more, its slices included; its strings may be kept.
	Recycle(Message)
}

// recycled are invocations to be used again. They make up nearly all that clients
// send.
type recycled struct{ pool sync.Pool } // of *Invocation

// fewArguments is how many arguments are in the memory of their invocation.
const fewArguments = 2

// invocation returns an invocation with a copy of the arguments.
func (r *recycled) invocation(arguments [][]byte) *Invocation {
	m, ok := r.pool.Get().(*Invocation)
	if !ok {
		memory := &struct {
			Invocation
			few [fewArguments][]byte
		}{}
		m = &memory.Invocation
		m.Arguments = memory.few[:0]
	}
	if len(arguments) == 0 {
		m.Arguments = nil
		return m
	}
	m.Arguments = append(m.Arguments, arguments...)
	return m
}

// Recycle implements [Recycler].
func (r *recycled) Recycle(message Message) {
	m, ok := message.(*Invocation)
	if !ok || cap(m.Arguments) != fewArguments { // others are not worth the memory
		return
	}
	clear(m.Arguments)
	*m = Invocation{Arguments: m.Arguments[:0]}
	r.pool.Put(m)
}
