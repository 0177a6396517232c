package hubs

import "iter"

// HandleStream0 registers a method with no arguments and a stream to the client.
func HandleStream0[T any](name string, fn func(*Context) (iter.Seq2[T, error], error)) Option {
	if fn == nil {
		return Handle0[typedStream[T]](name, nil)
	}
	return declaredBy(fn, Handle0(name, func(ctx *Context) (typedStream[T], error) {
		items, err := fn(ctx)
		return typedStream[T](items), err
	}))
}

// HandleStream1 registers a method with one argument and a stream to the client.
func HandleStream1[A, T any](name string, fn func(*Context, A) (iter.Seq2[T, error], error)) Option {
	if fn == nil {
		return Handle1[A, typedStream[T]](name, nil)
	}
	return declaredBy(fn, Handle1(name, func(ctx *Context, a A) (typedStream[T], error) {
		items, err := fn(ctx, a)
		return typedStream[T](items), err
	}))
}

// HandleStream2 registers a method with two arguments and a stream to the client.
func HandleStream2[A, B, T any](name string, fn func(*Context, A, B) (iter.Seq2[T, error], error)) Option {
	if fn == nil {
		return Handle2[A, B, typedStream[T]](name, nil)
	}
	return declaredBy(fn, Handle2(name, func(ctx *Context, a A, b B) (typedStream[T], error) {
		items, err := fn(ctx, a, b)
		return typedStream[T](items), err
	}))
}

// HandleStream3 registers a method with three arguments and a stream to the client.
func HandleStream3[A, B, C, T any](name string, fn func(*Context, A, B, C) (iter.Seq2[T, error], error)) Option {
	if fn == nil {
		return Handle3[A, B, C, typedStream[T]](name, nil)
	}
	return declaredBy(fn, Handle3(name, func(ctx *Context, a A, b B, c C) (typedStream[T], error) {
		items, err := fn(ctx, a, b, c)
		return typedStream[T](items), err
	}))
}

// HandleStream4 registers a method with four arguments and a stream to the client.
func HandleStream4[A, B, C, D, T any](name string, fn func(*Context, A, B, C, D) (iter.Seq2[T, error], error)) Option {
	if fn == nil {
		return Handle4[A, B, C, D, typedStream[T]](name, nil)
	}
	return declaredBy(fn, Handle4(name, func(ctx *Context, a A, b B, c C, d D) (typedStream[T], error) {
		items, err := fn(ctx, a, b, c, d)
		return typedStream[T](items), err
	}))
}
