package hubs

import (
	"errors"
	"fmt"
	"reflect"
)

// The functions Handle0 to Handle4, HandleVoid0 to HandleVoid4 and HandleStream0 to
// HandleStream4 register one method each, by its name and a function with that
// number of arguments. They do the same as methods of the hub's implementation,
// whose place they take if the names are equal, but are called without reflection.
// Arguments and results may be streams, as with [New]; the items of a stream take no
// reflection with HandleStream0 and its like.

// register returns the option that enters a typed method into the method table.
func register[R any](name string, fn any, bind func(*binder) (invoker, error), params ...paramSpec) Option {
	return func(c *config) error {
		m := &method{name: name, bind: bind, params: params, streams: streamShapeOf(reflect.TypeFor[R]()) != nil}
		m.fn = reflect.ValueOf(fn).Pointer()
		if result := reflect.TypeFor[R](); result != reflect.TypeFor[nothing]() {
			m.result = result
		}
		var errs []error
		if isNil(fn) {
			errs = append(errs, fmt.Errorf("hubs: method %s: the function must not be nil", name))
		}
		for i, p := range params {
			if p.upload != nil {
				m.uploads++
			} else {
				m.args++
			}
			if err := p.check(); err != nil {
				errs = append(errs, fmt.Errorf("hubs: method %s: parameter %d: %w", name, i+1, err))
			}
		}
		result := reflect.TypeFor[R]()
		if m.streams {
			result = itemType(result)
		}
		if err := checkEncodable(result); err != nil {
			errs = append(errs, fmt.Errorf("hubs: method %s: %w", name, err))
		}
		c.typed = append(c.typed, m)
		return errors.Join(errs...)
	}
}

// nothing is the result, always nil, of methods without one.
type nothing any

// paramSpec is one parameter after the *Context.
type paramSpec struct {
	of     reflect.Type
	upload uploadShape // not nil: it is a stream from the client
}

func paramOf[A any]() paramSpec {
	t := reflect.TypeFor[A]()
	return paramSpec{of: t, upload: uploadShapeOf(t)}
}

// bindParam decodes an argument, or makes the stream, for a parameter.
func bindParam[A any](b *binder, p paramSpec, into *A) error {
	if p.upload != nil {
		*into = p.upload(b.upload()).Interface().(A)
		return nil
	}
	return b.argument(into)
}

// typedResult returns a function's result as an invoker does.
func typedResult[R any](c *Context, shape streamShape, result R, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if shape != nil {
		return shape(c, reflect.ValueOf(result))
	}
	return result, nil
}

// Handle0 registers a method with no arguments and a result.
func Handle0[R any](name string, fn func(*Context) (R, error)) Option {
	shape := streamShapeOf(reflect.TypeFor[R]())
	return register[R](name, fn, func(_ *binder) (invoker, error) {
		c := &call0[R]{fn: fn, shape: shape}
		return c, nil
	})
}

// HandleVoid0 registers a method with no arguments and no result.
func HandleVoid0(name string, fn func(*Context) error) Option {
	if fn == nil {
		return Handle0[nothing](name, nil)
	}
	return declaredBy(fn, Handle0(name, func(ctx *Context) (nothing, error) { return nil, fn(ctx) }))
}

type call0[R any] struct {
	fn    func(*Context) (R, error)
	shape streamShape
}

func (c *call0[R]) invoke(ctx *Context) (any, error) {
	result, err := c.fn(ctx)
	return typedResult(ctx, c.shape, result, err)
}

// Handle1 registers a method with one argument and a result.
func Handle1[A, R any](name string, fn func(*Context, A) (R, error)) Option {
	pA := paramOf[A]()
	shape := streamShapeOf(reflect.TypeFor[R]())
	return register[R](name, fn, func(b *binder) (invoker, error) {
		c := &call1[A, R]{fn: fn, shape: shape}
		if err := bindParam(b, pA, &c.a); err != nil {
			return nil, err
		}
		return c, nil
	}, pA)
}

// HandleVoid1 registers a method with one argument and no result.
func HandleVoid1[A any](name string, fn func(*Context, A) error) Option {
	if fn == nil {
		return Handle1[A, nothing](name, nil)
	}
	return declaredBy(fn, Handle1(name, func(ctx *Context, a A) (nothing, error) { return nil, fn(ctx, a) }))
}

type call1[A, R any] struct {
	fn    func(*Context, A) (R, error)
	shape streamShape
	a     A
}

func (c *call1[A, R]) invoke(ctx *Context) (any, error) {
	result, err := c.fn(ctx, c.a)
	return typedResult(ctx, c.shape, result, err)
}

// Handle2 registers a method with two arguments and a result.
func Handle2[A, B, R any](name string, fn func(*Context, A, B) (R, error)) Option {
	pA, pB := paramOf[A](), paramOf[B]()
	shape := streamShapeOf(reflect.TypeFor[R]())
	return register[R](name, fn, func(b *binder) (invoker, error) {
		c := &call2[A, B, R]{fn: fn, shape: shape}
		if err := bindParam(b, pA, &c.a); err != nil {
			return nil, err
		}
		if err := bindParam(b, pB, &c.b); err != nil {
			return nil, err
		}
		return c, nil
	}, pA, pB)
}

// HandleVoid2 registers a method with two arguments and no result.
func HandleVoid2[A, B any](name string, fn func(*Context, A, B) error) Option {
	if fn == nil {
		return Handle2[A, B, nothing](name, nil)
	}
	return declaredBy(fn, Handle2(name, func(ctx *Context, a A, b B) (nothing, error) { return nil, fn(ctx, a, b) }))
}

type call2[A, B, R any] struct {
	fn    func(*Context, A, B) (R, error)
	shape streamShape
	a     A
	b     B
}

func (c *call2[A, B, R]) invoke(ctx *Context) (any, error) {
	result, err := c.fn(ctx, c.a, c.b)
	return typedResult(ctx, c.shape, result, err)
}

// Handle3 registers a method with three arguments and a result.
func Handle3[A, B, C, R any](name string, fn func(*Context, A, B, C) (R, error)) Option {
	pA, pB, pC := paramOf[A](), paramOf[B](), paramOf[C]()
	shape := streamShapeOf(reflect.TypeFor[R]())
	return register[R](name, fn, func(b *binder) (invoker, error) {
		c := &call3[A, B, C, R]{fn: fn, shape: shape}
		if err := bindParam(b, pA, &c.a); err != nil {
			return nil, err
		}
		if err := bindParam(b, pB, &c.b); err != nil {
			return nil, err
		}
		if err := bindParam(b, pC, &c.c); err != nil {
			return nil, err
		}
		return c, nil
	}, pA, pB, pC)
}

// HandleVoid3 registers a method with three arguments and no result.
func HandleVoid3[A, B, C any](name string, fn func(*Context, A, B, C) error) Option {
	if fn == nil {
		return Handle3[A, B, C, nothing](name, nil)
	}
	return declaredBy(fn, Handle3(name, func(ctx *Context, a A, b B, c C) (nothing, error) { return nil, fn(ctx, a, b, c) }))
}

type call3[A, B, C, R any] struct {
	fn    func(*Context, A, B, C) (R, error)
	shape streamShape
	a     A
	b     B
	c     C
}

func (c *call3[A, B, C, R]) invoke(ctx *Context) (any, error) {
	result, err := c.fn(ctx, c.a, c.b, c.c)
	return typedResult(ctx, c.shape, result, err)
}

// Handle4 registers a method with four arguments and a result.
func Handle4[A, B, C, D, R any](name string, fn func(*Context, A, B, C, D) (R, error)) Option {
	pA, pB, pC, pD := paramOf[A](), paramOf[B](), paramOf[C](), paramOf[D]()
	shape := streamShapeOf(reflect.TypeFor[R]())
	return register[R](name, fn, func(b *binder) (invoker, error) {
		c := &call4[A, B, C, D, R]{fn: fn, shape: shape}
		if err := bindParam(b, pA, &c.a); err != nil {
			return nil, err
		}
		if err := bindParam(b, pB, &c.b); err != nil {
			return nil, err
		}
		if err := bindParam(b, pC, &c.c); err != nil {
			return nil, err
		}
		if err := bindParam(b, pD, &c.d); err != nil {
			return nil, err
		}
		return c, nil
	}, pA, pB, pC, pD)
}

// HandleVoid4 registers a method with four arguments and no result.
func HandleVoid4[A, B, C, D any](name string, fn func(*Context, A, B, C, D) error) Option {
	if fn == nil {
		return Handle4[A, B, C, D, nothing](name, nil)
	}
	return declaredBy(fn, Handle4(name, func(ctx *Context, a A, b B, c C, d D) (nothing, error) { return nil, fn(ctx, a, b, c, d) }))
}

type call4[A, B, C, D, R any] struct {
	fn    func(*Context, A, B, C, D) (R, error)
	shape streamShape
	a     A
	b     B
	c     C
	d     D
}

func (c *call4[A, B, C, D, R]) invoke(ctx *Context) (any, error) {
	result, err := c.fn(ctx, c.a, c.b, c.c, c.d)
	return typedResult(ctx, c.shape, result, err)
}
