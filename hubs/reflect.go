package hubs

import (
	"errors"
	"fmt"
	"reflect"
)

var (
	contextType = reflect.TypeFor[*Context]()
	errorType   = reflect.TypeFor[error]()
)

// reflectMethods returns the callable methods of a hub's implementation: the
// exported ones whose first parameter is a *Context. Every one that cannot be
// called is an error.
func reflectMethods(impl reflect.Value) ([]*method, error) {
	var methods []*method
	var errs []error
	t := impl.Type()
	if t.Kind() != reflect.Pointer {
		errs = append(errs, checkReceivers(t))
	}
	for i := range t.NumMethod() {
		name, fn := t.Method(i).Name, impl.Method(i)
		if fn.Type().NumIn() > 0 && fn.Type().In(0) == contextType.Elem() {
			errs = append(errs, fmt.Errorf("hubs: method %v.%s: the first parameter must be a *hubs.Context, not a hubs.Context", t, name))
		}
		if fn.Type().NumIn() == 0 || fn.Type().In(0) != contextType || isLifecycle(name) {
			continue
		}
		m, err := newReflectMethod(name, fn)
		if err != nil {
			errs = append(errs, fmt.Errorf("hubs: method %v.%s: %w", t, name, err))
			continue
		}
		methods = append(methods, m)
	}
	return methods, errors.Join(errs...)
}

// isLifecycle reports whether a method is one that the hub itself calls.
func isLifecycle(name string) bool {
	return name == onConnectedName || name == onReconnectedName || name == onDisconnectedName
}

// checkReceivers reports methods that a value lacks and a pointer to it would
// have: they would silently not be callable.
func checkReceivers(t reflect.Type) error {
	var errs []error
	pointer := reflect.PointerTo(t)
	for i := range pointer.NumMethod() {
		m := pointer.Method(i)
		if _, ok := t.MethodByName(m.Name); !ok && m.Type.NumIn() > 1 && m.Type.In(1) == contextType {
			errs = append(errs, fmt.Errorf("hubs: method %s needs a pointer: give New a *%v", m.Name, t))
		}
	}
	return errors.Join(errs...)
}

// reflectMethod is what is known of a method found by reflection.
type reflectMethod struct {
	fn     reflect.Value
	params []paramSpec
	result resultShape
}

func newReflectMethod(name string, fn reflect.Value) (*method, error) {
	t := fn.Type()
	r := &reflectMethod{fn: fn}
	m := &method{name: name, variadic: t.IsVariadic(), bind: r.bind}
	for i := 1; i < t.NumIn(); i++ {
		p := paramSpec{of: t.In(i), upload: uploadShapeOf(t.In(i))}
		switch {
		case p.upload != nil:
			m.uploads++
		case m.variadic && i == t.NumIn()-1:
			p.of = p.of.Elem()
		default:
			m.args++
		}
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("parameter %d: %w", i, err)
		}
		r.params = append(r.params, p)
	}
	var err error
	if r.result, err = resultShapeOf(t); err != nil {
		return nil, err
	}
	m.streams = r.result.stream != nil
	m.params = r.params
	if r.result.value >= 0 {
		m.result = t.Out(r.result.value)
	}
	return m, nil
}

// check refuses a parameter that no client can fill.
func (p paramSpec) check() error {
	if p.upload != nil {
		return checkDecodable(itemType(p.of))
	}
	return checkDecodable(p.of)
}

// itemType returns the T of an iter.Seq2[T, error] or of a channel of T.
func itemType(stream reflect.Type) reflect.Type {
	if stream.Kind() == reflect.Func {
		return stream.In(0).In(0)
	}
	return stream.Elem()
}

func (r *reflectMethod) bind(b *binder) (invoker, error) {
	in := make([]reflect.Value, 1, max(len(r.params), len(b.arguments))+1)
	for i, p := range r.params {
		if p.upload != nil {
			in = append(in, p.upload(b.upload()))
			continue
		}
		// Of a variadic parameter, which is the last, there are as many
		// arguments as the client has sent.
		n := 1
		if i == len(r.params)-1 && r.fn.Type().IsVariadic() {
			n = len(b.arguments)
		}
		for range n {
			v := reflect.New(p.of)
			if err := b.argument(v.Interface()); err != nil {
				return nil, err
			}
			in = append(in, v.Elem())
		}
	}
	return &reflectCall{r, in}, nil
}

type reflectCall struct {
	method *reflectMethod
	in     []reflect.Value
}

func (c *reflectCall) invoke(ctx *Context) (any, error) {
	c.in[0] = reflect.ValueOf(ctx)
	return c.method.result.of(ctx, c.method.fn.Call(c.in))
}

// resultShape says where in a method's results the value and the error are.
type resultShape struct {
	value, error int // index, -1: none
	stream       streamShape
}

func resultShapeOf(t reflect.Type) (resultShape, error) {
	shape := resultShape{value: -1, error: -1}
	n := t.NumOut()
	if n > 0 && t.Out(n-1) == errorType {
		n--
		shape.error = n
	}
	switch n {
	case 0:
		return shape, nil
	case 1:
	default:
		return shape, errors.New("a method returns nothing, a value, an error, or a value and an error")
	}
	shape.value = 0
	out := t.Out(0)
	if shape.stream = streamShapeOf(out); shape.stream != nil {
		out = itemType(out)
	}
	return shape, checkEncodable(out)
}

// of returns a method's result and error.
func (r resultShape) of(ctx *Context, out []reflect.Value) (any, error) {
	if r.error >= 0 {
		if err, _ := out[r.error].Interface().(error); err != nil {
			return nil, err
		}
	}
	switch {
	case r.value < 0:
		return nil, nil
	case r.stream != nil:
		return r.stream(ctx, out[r.value])
	default:
		return out[r.value].Interface(), nil
	}
}
