// Package typescript writes TypeScript declarations of a hub, by which the compiler
// checks what a page does with the official client. They cost nothing at run time.
//
//	const connection: ChatConnection = new HubConnectionBuilder().withUrl("/chat").build();
//
// The output is deterministic: write it from a test that compares it with the
// checked-in file.
package typescript

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/internal/describe"
)

// Write writes declarations of the hub's methods, of the client methods given, and
// of the types of all their arguments and results. The connection is named after
// the hub ([hubs.WithName]); a program may pass it on as a HubConnection.
//
// The names of a hub method's parameters, and its comment, come from its source file
// if that is there, as it is in a test (without -trimpath); else, and for method
// values and generic functions, the names are arg1, arg2 and so on. Those of a client
// method's arguments come from its declaration, such as [hubs.NewEvent1].
//
// The declarations are of the JSON protocol, by the rules of encoding/json and
// its tags. Types with a MarshalJSON of their own are unknown, those with a
// MarshalText are strings. A slice or map is declared as never null: a result
// should not hold a nil one.
//
// Two client methods whose names differ at most in case, which clients do not tell
// apart, are an error, and so is another number of names than of arguments. All
// errors are reported together, and nothing is written then.
func Write(w io.Writer, hub *hubs.Hub, methods ...hubs.ClientMethod) error {
	if hub == nil {
		return errors.New("typescript: the hub must not be nil")
	}
	d := describe.HubOf(hub)
	connection := exported(identifier(d.Name, "Hub")) + "Connection"
	ts := newTypes(connection)
	members := ts.hubMethods(d)
	more, err := ts.clientMethods(methods)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "// Code generated from the hub %s. DO NOT EDIT.\n\n", literalString(d.Name))
	b.WriteString("import type * as signalR from \"@microsoft/signalr\";\n\n")
	for _, declaration := range ts.declarations {
		b.WriteString(declaration + "\n")
	}
	b.WriteString("/** A HubConnection that knows the methods of the hub and of its clients. */\n")
	fmt.Fprintf(&b, "export interface %s extends signalR.HubConnection {\n", connection)
	for _, member := range append(members, more...) {
		for line := range strings.Lines(member) {
			b.WriteString("  " + line)
		}
		b.WriteString(";\n")
	}
	b.WriteString("}\n")
	_, err = io.WriteString(w, b.String())
	return err
}

// The members of the connection take the place of a HubConnection's, of which the
// language demands that they could stand for them. That of a method with a type
// parameter can only several members do, or one that has it too: so these are there
// if there are fewer than two of the kind. None can be called.
const (
	noInvoke = "invoke<T>(methodName: never): Promise<T>"
	noSend   = "send(methodName: never): Promise<void>"
	noStream = "stream<T>(methodName: never): signalR.IStreamResult<T>"
	noOn     = "on(methodName: never, handler: never): void"
	noOff    = "off(methodName: never): void"
)

// hubMethods returns the members that call the hub.
func (ts *types) hubMethods(hub describe.Hub) []string {
	var invoke, send, stream []string
	files := make(sources)
	for _, m := range hub.Methods {
		written := files.method(hub.Type, m)
		params := tsParams(literalString(m.Name), ts.params(m, written.params))
		result := "void"
		if m.Result != nil {
			result = ts.of(m.Result)
		}
		comment := docComment(written.comment)
		if m.Stream {
			stream = append(stream, fmt.Sprintf("%sstream(%s): signalR.IStreamResult<%s>", comment, params, result))
			continue
		}
		invoke = append(invoke, fmt.Sprintf("%sinvoke(%s): Promise<%s>", comment, params, result))
		send = append(send, fmt.Sprintf("%ssend(%s): Promise<void>", comment, params))
	}
	if len(invoke) < 2 {
		invoke = slices.Insert(invoke, 0, noInvoke)
	}
	if len(send) == 0 {
		send = []string{noSend}
	}
	if len(stream) < 2 {
		stream = slices.Insert(stream, 0, noStream)
	}
	return slices.Concat(invoke, send, stream)
}

// params returns the parameters of a hub method.
func (ts *types) params(m describe.Method, written []string) []string {
	names := paramNames(written, len(m.Params))
	params := make([]string, len(m.Params))
	for i, p := range m.Params {
		switch {
		case p.Stream:
			params[i] = fmt.Sprintf("%s: signalR.Subject<%s>", names[i], ts.of(p.Type))
		case p.Variadic:
			params[i] = fmt.Sprintf("...%s: %s", names[i], ts.array(p.Type))
		default:
			params[i] = fmt.Sprintf("%s: %s", names[i], ts.of(p.Type))
		}
	}
	return params
}

// tsParams puts the name of the method before its parameters.
func tsParams(method string, params []string) string {
	return strings.Join(append([]string{methodName + ": " + method}, params...), ", ")
}

// clientMethods returns the members that are called by the hub.
func (ts *types) clientMethods(methods []hubs.ClientMethod) ([]string, error) {
	var on, off []string
	var errs []error
	seen := make(map[string]string) // by their names in lower case
	for _, method := range methods {
		if method == nil {
			errs = append(errs, errors.New("typescript: a client method must not be nil"))
			continue
		}
		m := describe.ClientMethodOf(method)
		lower := strings.ToLower(m.Name)
		if other, ok := seen[lower]; ok {
			errs = append(errs, fmt.Errorf("typescript: there are two client methods %q and %q: clients cannot tell them apart", other, m.Name))
		}
		seen[lower] = m.Name
		names, err := declaredNames(m)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		params := make([]string, len(m.Params))
		for i, t := range m.Params {
			params[i] = names[i] + ": " + ts.of(t)
		}
		name, handler := literalString(m.Name), fmt.Sprintf("(%s) => %s", strings.Join(params, ", "), ts.answer(m.Result))
		on = append(on, fmt.Sprintf("on(methodName: %s, handler: %s): void", name, handler))
		off = append(off, fmt.Sprintf("off(methodName: %s, handler?: %s): void", name, handler))
	}
	if len(on) == 0 {
		on, off = []string{noOn}, []string{noOff}
	}
	return append(on, off...), errors.Join(errs...)
}

// answer returns what a client's handler returns.
func (ts *types) answer(result reflect.Type) string {
	if result == nil {
		return "void"
	}
	of := ts.of(result)
	return of + " | Promise<" + of + ">"
}

// docComment returns a comment for the line before a member.
func docComment(text string) string {
	text = strings.ReplaceAll(strings.TrimSpace(text), "*/", "* /")
	if text == "" {
		return ""
	}
	if !strings.Contains(text, "\n") {
		return "/** " + text + " */\n"
	}
	var b strings.Builder
	b.WriteString("/**\n")
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString(strings.TrimRight(" * "+line, " ") + "\n")
	}
	b.WriteString(" */\n")
	return b.String()
}

// literalString returns a string literal.
func literalString(s string) string {
	literal, err := json.Marshal(s)
	if err != nil { // a string can always be encoded
		return `""`
	}
	return string(literal)
}
