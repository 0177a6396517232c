package hubs

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// WriteTypeScript writes TypeScript declarations of the hub's methods, of the
// client methods given, and of the types of all their arguments and results:
//
//	const connection: ChatConnection = new HubConnectionBuilder().withUrl("/chat").build();
//
// makes the compiler check what a program does with the official client, and
// costs nothing at run time. The connection is named after the hub ([WithName]).
// Equal hubs give equal declarations, so that a test can compare them with the
// file that is in use.
//
// The declarations are of the JSON protocol, by the rules of encoding/json and
// its tags. Types with a MarshalJSON of their own are unknown, those with a
// MarshalText are strings. A slice or map is declared as never null: a result
// should not hold a nil one.
func (h *Hub) WriteTypeScript(w io.Writer, methods ...ClientMethod) error {
	connection := tsExported(tsIdentifier(h.config.name, "Hub")) + "Connection"
	types := newTSTypes(connection)
	var invoke, send, stream, on, off []string
	for _, m := range slices.SortedFunc(maps.Values(h.methods.lower), func(a, b *method) int { return strings.Compare(a.name, b.name) }) {
		params := tsParams(tsString(m.name), types.params(m))
		if m.streams {
			stream = append(stream, fmt.Sprintf("stream(%s): signalR.IStreamResult<%s>", params, types.of(streamItem(m.result))))
			continue
		}
		result := "void"
		if m.result != nil {
			result = types.of(m.result)
		}
		invoke = append(invoke, fmt.Sprintf("invoke(%s): Promise<%s>", params, result))
		send = append(send, fmt.Sprintf("send(%s): Promise<void>", params))
	}
	for _, m := range methods {
		signature := m.signature()
		var params []string
		for i, t := range signature.params {
			params = append(params, fmt.Sprintf("arg%d: %s", i+1, types.of(t)))
		}
		result := "void"
		if signature.result != nil {
			result = types.of(signature.result)
			result += " | Promise<" + result + ">"
		}
		name, handler := tsString(m.Name()), fmt.Sprintf("(%s) => %s", strings.Join(params, ", "), result)
		on = append(on, fmt.Sprintf("on(method: %s, handler: %s): void", name, handler))
		off = append(off, fmt.Sprintf("off(method: %s, handler?: %s): void", name, handler))
	}

	var b strings.Builder
	fmt.Fprintf(&b, "// Code generated from the hub %s. DO NOT EDIT.\n\n", tsString(h.config.name))
	b.WriteString("import type * as signalR from \"@microsoft/signalr\";\n\n")
	for _, declaration := range types.declarations {
		b.WriteString(declaration + "\n")
	}
	b.WriteString("/** A HubConnection that knows the methods of the hub and of its clients. */\n")
	fmt.Fprintf(&b, "export interface %s extends Omit<signalR.HubConnection, \"invoke\" | \"send\" | \"stream\" | \"on\" | \"off\"> {\n", connection)
	for _, member := range slices.Concat(invoke, send, stream, on, off) {
		b.WriteString("  " + member + ";\n")
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// params returns the parameters of a hub method.
func (ts *tsTypes) params(m *method) []string {
	params := make([]string, len(m.params))
	for i, p := range m.params {
		switch {
		case p.upload != nil:
			params[i] = fmt.Sprintf("arg%d: signalR.Subject<%s>", i+1, ts.of(streamItem(p.of)))
		case m.variadic && i == len(m.params)-1:
			params[i] = fmt.Sprintf("...arg%d: %s", i+1, ts.array(p.of))
		default:
			params[i] = fmt.Sprintf("arg%d: %s", i+1, ts.of(p.of))
		}
	}
	return params
}

// tsParams puts the name of the method before its parameters.
func tsParams(method string, params []string) string {
	return strings.Join(append([]string{"method: " + method}, params...), ", ")
}

// streamItem returns the type of the items of a stream's type.
func streamItem(t reflect.Type) reflect.Type {
	if isSeq(t) {
		return t.In(0).In(0)
	}
	return t.Elem()
}

// tsString returns a literal.
func tsString(s string) string {
	literal, err := json.Marshal(s)
	if err != nil { // a string can always be encoded
		return `""`
	}
	return string(literal)
}
