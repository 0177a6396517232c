package hubs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"reflect"
	"strings"

	"github.com/go-signalr/signalr/protocol"
)

// method is one entry of a hub's method table. It is filled from the methods of
// the implementation (reflect.go) and from typed functions (handle.go).
type method struct {
	name     string
	args     int  // arguments expected; with variadic, the minimum
	variadic bool // more arguments are welcome
	uploads  int  // streams expected from the client
	streams  bool // the result is a stream
	params   []paramSpec
	result   reflect.Type // nil: nothing
	fn       uintptr      // where the function that was registered begins; 0: a method of the implementation
	// bind decodes the arguments of one invocation.
	bind func(*binder) (invoker, error)
}

// invoker is a method with its arguments. The result of a streaming method is an
// iter.Seq2[any, error].
type invoker interface {
	invoke(*Context) (any, error)
}

// resultStream is the result of a streaming method.
type resultStream = iter.Seq2[any, error]

// methodTable finds methods by name, without regard to case.
type methodTable struct {
	exact map[string]*method // by the names as they were registered
	lower map[string]*method
}

func (t *methodTable) find(target string) *method {
	if m := t.exact[target]; m != nil {
		return m
	}
	return t.lower[strings.ToLower(target)]
}

// newMethodTable joins methods; a typed function goes before a method of the
// implementation with the same name.
func newMethodTable(typed, reflected []*method) (*methodTable, error) {
	t := &methodTable{exact: map[string]*method{}, lower: map[string]*method{}}
	errs := []error{t.add(typed)}
	inType := &methodTable{exact: map[string]*method{}, lower: map[string]*method{}}
	errs = append(errs, inType.add(reflected))
	for lower, m := range inType.lower {
		if t.lower[lower] == nil {
			t.exact[m.name], t.lower[lower] = m, m
		}
	}
	return t, errors.Join(errs...)
}

func (t *methodTable) add(methods []*method) error {
	var errs []error
	for _, m := range methods {
		lower := strings.ToLower(m.name)
		if m.name == "" {
			errs = append(errs, errors.New("hubs: a method needs a name"))
		}
		if other := t.lower[lower]; other != nil {
			errs = append(errs, fmt.Errorf("hubs: there are two methods %q and %q: clients cannot tell them apart", other.name, m.name))
		}
		t.exact[m.name], t.lower[lower] = m, m
	}
	return errors.Join(errs...)
}

// binder hands the arguments and streams of one invocation to its method.
type binder struct {
	call      *call
	encoding  *encoding
	arguments [][]byte
	uploads   []*upload
	bound     []any // pointers to the decoded arguments, if there are filters to see them
	position  int   // of the current parameter, from 1
	into      any   // what the current argument is decoded into
}

var errNoSuch = NewError("Method does not exist.")

// Texts of values that do not bind; clients look for them.
const (
	textBinding       = "Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked."
	textStreamBinding = "Failed to bind Stream message."
)

// maxCause limits the text of an error that may quote what a client has sent, in
// bytes.
const maxCause = 256

// bindingError is the failure of a client's value for the parameter at a position,
// from 1, of the type that the method expects.
func bindingError(text string, position int, expected reflect.Type, cause error) error {
	why := fmt.Sprint(cause)
	if len(why) > maxCause {
		why = why[:maxCause] + "..."
	}
	return &namedError{invalidData, fmt.Sprintf("%s Argument %d (%v): %s", text, position, expected, strings.ToValidUTF8(why, "\uFFFD")), nil}
}

// argument decodes the next argument.
func (b *binder) argument(into any) error {
	raw := b.arguments[0]
	b.arguments = b.arguments[1:]
	b.position++
	b.into = into
	if err := b.encoding.protocol.Unmarshal(raw, into); err != nil {
		return b.failed(err)
	}
	if len(b.call.hub.config.filters) > 0 {
		b.bound = append(b.bound, into)
	}
	return nil
}

// errUnbound is an argument that does not decode.
var errUnbound error = &namedError{invalidData, textBinding, nil}

// failed returns the error of the current argument. It says more where that is seen: a
// client can have any number of them. What clients of package classic see is for that to
// decide.
func (b *binder) failed(cause error) error {
	if h := b.call.hub; b.call.session() != nil && !h.config.detailedErrors && !h.logger.Enabled(context.Background(), slog.LevelDebug) {
		return errUnbound
	}
	return bindingError(textBinding, b.position, reflect.TypeOf(b.into).Elem(), cause)
}

// upload returns the next stream. If the client has sent too few, the call is
// going to be refused.
func (b *binder) upload() *upload {
	b.position++
	if len(b.uploads) == 0 {
		return newUpload(b.call, "")
	}
	u := b.uploads[0]
	u.position = b.position
	b.uploads = b.uploads[1:]
	return u
}

// bindInvocation finds the method of an invocation, a message of a size in bytes, and
// decodes its arguments unless they have to wait. The error is one for the client. The
// order of the checks is the reference server's (6.3).
func (s *session) bindInvocation(inv *protocol.Invocation, size int) (*call, *refusal) {
	m := s.hub.methods.find(inv.Target)
	if m == nil {
		return nil, &refusal{"Failed to invoke '" + inv.Target + "' due to an error on the server.", errNoSuch}
	}
	if err := m.checkCount(len(inv.Arguments)); err != nil {
		return nil, refuseBinding(m, err)
	}
	c := &call{method: m, id: inv.InvocationID}
	c.Context.hub, c.Context.conn, c.Context.call = s.hub, s, c
	for _, id := range inv.StreamIDs[:min(len(inv.StreamIDs), m.uploads)] {
		u := c.makeUncommon()
		u.uploads = append(u.uploads, newUpload(c, id))
	}
	refused := c.checkKind(inv)
	if refused == nil && size > smallArguments && s.mustWait(c) {
		c.postpone(inv.Arguments)
		return c, nil
	}
	if err := c.bindArguments(inv.Arguments, s.encoding); err != nil {
		return nil, refuseBinding(m, err)
	}
	if refused != nil {
		return nil, refused
	}
	return c, nil
}

// checkKind refuses an invocation that is not of the method's kind.
func (c *call) checkKind(inv *protocol.Invocation) *refusal {
	m := c.method
	switch {
	case inv.Stream && !m.streams:
		return &refusal{"The client attempted to invoke the non-streaming '" + m.name + "' method with a streaming invocation.", nil}
	case !inv.Stream && m.streams:
		return &refusal{"The client attempted to invoke the streaming '" + m.name + "' method with a non-streaming invocation.", nil}
	case len(inv.StreamIDs) != m.uploads:
		return &refusal{m.failedText(),
			Errorf("Client sent %d stream(s), Hub method expects %d.", len(inv.StreamIDs), m.uploads)}
	}
	return nil
}

// smallArguments is how long a message is, in bytes, whose arguments are decoded when it
// comes, whether its call has to wait or not: that is cheaper, and they cannot take much
// more memory than the call does itself.
const smallArguments = 128

// postpone keeps the arguments as they have come until the call begins, so that they take
// no more memory than they count while it waits. Decoded they may take a hundred times as
// much.
func (c *call) postpone(arguments [][]byte) {
	size := 0
	for _, a := range arguments {
		size += len(a)
	}
	buffer := make([]byte, 0, size)
	raw := make([][]byte, len(arguments))
	for i, a := range arguments {
		start := len(buffer)
		buffer = append(buffer, a...)
		raw[i] = buffer[start:len(buffer):len(buffer)]
	}
	c.makeUncommon().raw = raw
}

// bindPostponed decodes the arguments of a call that has waited, if they are not yet.
func (s *session) bindPostponed(c *call) *refusal {
	if c.uncommon == nil || c.uncommon.raw == nil {
		return nil
	}
	raw := c.uncommon.raw
	c.uncommon.raw = nil
	if err := c.bindArguments(raw, s.encoding); err != nil {
		return refuseBinding(c.method, err)
	}
	return nil
}

// failedText is what a client is told of a call that fails, whatever the reason.
func (m *method) failedText() string {
	return "An unexpected error occurred invoking '" + m.name + "' on the server."
}

// checkCount compares the number of arguments with what the method expects.
func (m *method) checkCount(n int) error {
	if n == m.args || n > m.args && m.variadic {
		return nil
	}
	return &namedError{invalidData, fmt.Sprintf("Invocation provides %d argument(s) but target expects %d.", n, m.args), nil}
}

// bindArguments contains panics of the application's own unmarshalers.
func (c *call) bindArguments(arguments [][]byte, e *encoding) (err error) {
	b := c.hub.binders.Get().(*binder)
	*b = binder{call: c, encoding: e, arguments: arguments, uploads: c.uploads()}
	defer func() {
		if v := recover(); v != nil {
			c.hub.logPanic(c.conn.connectionID(), c.method.name, v)
			err = b.failed(&panicError{v})
		}
	}()
	c.invoker, err = c.method.bind(b)
	if b.bound != nil {
		c.makeUncommon().bound = b.bound
	}
	*b = binder{}
	c.hub.binders.Put(b)
	return err
}

func refuseBinding(m *method, err error) *refusal {
	return &refusal{"Failed to invoke '" + m.name + "' due to an error on the server.", err}
}

// refusal is an error answer: a general text, and the error that may explain it.
type refusal struct {
	text string
	err  error
}

// reason returns the most that is known of why.
func (r *refusal) reason() any {
	if r.err == nil {
		return r.text
	}
	return r.err
}
