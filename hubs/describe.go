package hubs

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/go-signalr/signalr/hubs/internal/describe"
)

func init() {
	describe.HubOf = func(hub any) describe.Hub { return hub.(*Hub).describe() }
	describe.ClientMethodOf = func(method any) describe.ClientMethod {
		m := method.(ClientMethod)
		s := m.signature()
		return describe.ClientMethod{Name: m.Name(), Names: s.names, Params: s.params, Result: s.result}
	}
}

func (h *Hub) describe() describe.Hub {
	d := describe.Hub{Name: h.config.name, Type: h.implementation}
	for _, m := range slices.SortedFunc(maps.Values(h.methods.lower), func(a, b *method) int { return strings.Compare(a.name, b.name) }) {
		method := describe.Method{Name: m.name, Result: m.result, Stream: m.streams, Func: m.fn}
		if m.streams {
			method.Result = itemType(m.result)
		}
		for i, p := range m.params {
			param := describe.Param{Type: p.of, Stream: p.upload != nil, Variadic: m.variadic && i == len(m.params)-1}
			if param.Stream {
				param.Type = itemType(p.of)
			}
			method.Params = append(method.Params, param)
		}
		d.Methods = append(d.Methods, method)
	}
	return d
}

// declaredBy notes the function that the method registered by an option was written
// as, which may be wrapped in others.
func declaredBy(fn any, register Option) Option {
	return func(c *config) error {
		err := register(c)
		c.typed[len(c.typed)-1].fn = reflect.ValueOf(fn).Pointer()
		return err
	}
}
