package hubtest

import (
	"io"
	"iter"

	"github.com/go-signalr/signalr/protocol"
)

// Invoke calls a method of the hub and waits until it has returned. A result is
// ignored: [Invoke] is for those.
//
// Arguments that are a channel, an iter.Seq[T] or an iter.Seq2[T, error] are
// streams to the hub: they are read by another goroutine, until they end or the
// call is answered. An error among the elements fails the stream with its text.
//
// The error is an *[Error] with the server's text, a *[ClosedError], or another
// one when an argument cannot be encoded or the server's patience is over.
func (c *Client) Invoke(method string, args ...any) error {
	return c.Start(method, args...).Wait(nil)
}

// Invoke calls a method of the hub, like [Client.Invoke], and returns its result.
func Invoke[T any](c *Client, method string, args ...any) (T, error) {
	var result T
	err := c.Start(method, args...).Wait(&result)
	return result, err
}

// Send calls a method of the hub without asking for an answer, and so without
// knowing when it runs and how it ends. Arguments are as for [Client.Invoke]. An
// argument that cannot be encoded or a connection that has ended fails the test
// at once.
func (c *Client) Send(method string, args ...any) {
	c.server.t.Helper()
	call := c.newCall()
	if err := call.send(method, args, false); err != nil {
		c.server.t.Fatalf("hubtest: send %s: %v", method, err)
	}
}

// Stream calls a streaming method of the hub and yields its items. The call
// begins with the loop. Leaving the loop early cancels it and waits until the hub
// has ended it, and so its method has returned. An error, which is as for
// [Client.Invoke], comes as the last element.
func Stream[T any](c *Client, method string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		call := c.newCall()
		call.begin(method, args, true)
		for {
			var item T
			raw, err := call.next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(item, err)
				return
			}
			if err := c.protocol.Unmarshal(raw, &item); !yield(item, err) || err != nil {
				break
			}
		}
		call.Cancel()
		if err := call.Wait(nil); err == errPatience { // comes straight from there
			c.server.t.Errorf("hubtest: %s is still running %v after it was cancelled", method, c.server.Patience)
		}
	}
}

// Call is a call of a hub method that is under way. It is safe for concurrent
// use.
type Call struct {
	client   *Client
	id       string        // empty: no answer wanted
	failed   error         // why it could not be sent
	answered chan struct{} // closed with answer; uploads end then

	// Under the client's lock.
	items  [][]byte // of a stream, not yet taken
	answer *protocol.Completion
}

// Start calls a method of the hub, like [Client.Invoke], but does not wait for
// the answer.
func (c *Client) Start(method string, args ...any) *Call {
	call := c.newCall()
	call.begin(method, args, false)
	return call
}

func (c *Client) newCall() *Call { return &Call{client: c, answered: make(chan struct{})} }

// begin sends the call; its failure is for those who wait for the answer.
func (call *Call) begin(method string, args []any, stream bool) {
	c := call.client
	call.id = c.nextID()
	c.change(func() { c.calls[call.id] = call })
	call.failed = call.send(method, args, stream)
}

func (call *Call) send(method string, args []any, stream bool) error {
	c := call.client
	invocation := &protocol.Invocation{InvocationID: call.id, Target: method, Stream: stream}
	var uploads []func()
	for _, arg := range args {
		if items := itemsOf(arg, call.answered, c.done); items != nil {
			id := c.nextID()
			invocation.StreamIDs = append(invocation.StreamIDs, id)
			uploads = append(uploads, func() { call.upload(id, items) })
			continue
		}
		raw, err := c.protocol.AppendValue(nil, arg)
		if err != nil {
			return err
		}
		invocation.Arguments = append(invocation.Arguments, raw)
	}
	if err := c.write(invocation); err != nil {
		return err
	}
	for _, upload := range uploads {
		c.server.running.Go(upload)
	}
	return nil
}

// Wait waits for the answer and decodes the result into result, a pointer, unless
// that is nil. The error is as for [Client.Invoke].
func (call *Call) Wait(result any) error {
	if call.failed != nil {
		return call.failed
	}
	c := call.client
	if err := c.until(func() bool { return call.answer != nil || c.ended }); err != nil {
		return err
	}
	switch {
	case call.answer == nil:
		return c.closedError()
	case call.answer.Error != "":
		return &Error{Text: call.answer.Error}
	case result == nil || call.answer.Result == nil:
		return nil
	}
	return c.protocol.Unmarshal(call.answer.Result, result)
}

// Cancel asks the hub to cancel the call. It is answered all the same.
func (call *Call) Cancel() {
	// A connection that has ended has nothing to cancel.
	_ = call.client.write(&protocol.CancelInvocation{InvocationID: call.id})
}

// next returns the next item of a stream; io.EOF is its proper end.
func (call *Call) next() (item []byte, err error) {
	if call.failed != nil {
		return nil, call.failed
	}
	c := call.client
	err = c.until(func() bool {
		if len(call.items) == 0 {
			return call.answer != nil || c.ended
		}
		item, call.items = call.items[0], call.items[1:]
		return true
	})
	if item != nil || err != nil {
		return item, err
	}
	if err := call.Wait(nil); err != nil {
		return nil, err
	}
	return nil, io.EOF
}
