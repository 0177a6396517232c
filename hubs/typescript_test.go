package hubs_test

import (
	"encoding/json"
	"errors"
	"iter"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/protocol"
)

type (
	color  string
	Tree   []Tree
	Graph  map[string]*Graph
	Record struct{ Class class }
	class  struct{}

	Page[T any] struct {
		Items []T `json:"items"`
		Next  *int
	}

	Common struct {
		ID      int       `json:"id"`
		Created time.Time `json:"created"`
		Hidden  string    `json:"-"`
		Name    string
	}
	Extra struct {
		Note string `json:"note"`
	}
	Named struct{ A, B int }

	everything struct {
		Common
		*Extra
		Named    `json:"named"`
		Name     string             `json:"Name"`
		Color    color              `json:"color,omitempty"`
		Parent   *everything        `json:"parent"`
		Maybe    *int               `json:"maybe,omitempty"`
		Since    time.Time          `json:"since,omitzero"`
		When     time.Time          `json:"when,omitempty"`
		Big      int64              `json:"big,string"`
		Many     []*string          `json:"many"`
		Fixed    [2]bool            `json:"fixed"`
		Counts   map[color][]uint8  `json:"counts"`
		Any      any                `json:"any"`
		Raw      json.RawMessage    `json:"raw"`
		Number   json.Number        `json:"number"`
		Wait     time.Duration      `json:"wait"`
		Address  net.IP             `json:"address"`
		Values   url.Values         `json:"values"`
		Dashed   int                `json:"with-dash"`
		Nested   struct{ X, Y int } `json:"nested"`
		Empty    struct{}           `json:"empty"`
		unlisted int
	}
)

// typesHub has a parameter or result of each kind.
type typesHub struct{}

func (typesHub) Everything(*hubs.Context, *everything) (everything, error) {
	return everything{unlisted: 1}, nil
}
func (typesHub) Nothing(*hubs.Context)                                    {}
func (typesHub) OnlyError(*hubs.Context) error                            { return nil }
func (typesHub) Sum(_ *hubs.Context, first int, more ...*float64) float64 { return 0 }
func (typesHub) Recursive(_ *hubs.Context, t Tree) Graph                  { return nil }
func (typesHub) Reserved(*hubs.Context, Record) any                       { return nil }
func (typesHub) Pages(*hubs.Context, Page[color]) Page[[]class]           { return Page[[]class]{} }
func (typesHub) Count(_ *hubs.Context, to int) <-chan *int                { return nil }
func (typesHub) Range(*hubs.Context) (iter.Seq2[class, error], error)     { return nil, nil }
func (typesHub) Upload(_ *hubs.Context, name string, in iter.Seq2[Page[color], error], bytes <-chan []byte) int {
	return 0
}
func (typesHub) OnConnected(*hubs.Context) error { return nil }

func TestWriteTypeScript(t *testing.T) {
	t.Parallel()
	hub, err := hubs.New(typesHub{}, hubs.WithName("types hub"),
		hubs.HandleVoid1("void", func(_ *hubs.Context, raw protocol.Raw) error { return nil }),
		hubs.Handle2("typed", func(_ *hubs.Context, a bool, b <-chan int) (any, error) { return nil, nil }),
		hubs.HandleVoid0("nothing", func(*hubs.Context) error { return nil }))
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, hub.WriteTypeScript(&b,
		hubs.NewEvent0("zero"), hubs.NewEvent1[class]("one"), hubs.NewEvent2[string, []byte](`"two"`),
		hubs.NewEvent3[int, int, int]("three"), hubs.NewEvent4[int, int, int, *int]("four"),
		hubs.NewQuery0[bool]("ask"), hubs.NewQuery1[int, bool]("ask1"), hubs.NewQuery2[int, int, bool]("ask2"),
		hubs.NewQuery3[int, int, int, bool]("ask3"), hubs.NewQuery4[int, int, int, string, *class]("askMore")))
	require.Equal(t, `// Code generated from the hub "types hub". DO NOT EDIT.

import type * as signalR from "@microsoft/signalr";

export interface Named {
  A: number;
  B: number;
}

export type Values = { [key: string]: string[] };

export interface everything {
  id: number;
  created: string;
  note?: string;
  named: Named;
  Name: string;
  color?: string;
  parent: everything | null;
  maybe?: number;
  since?: string;
  when: string;
  big: string;
  many: (string | null)[];
  fixed: boolean[];
  counts: Record<string, string>;
  any: unknown;
  raw: unknown;
  number: number;
  wait: number;
  address: string;
  values: Values;
  "with-dash": number;
  nested: { X: number; Y: number };
  empty: {};
}

export interface PageColor {
  items: string[];
  Next: number | null;
}

export interface class2 {
}

export interface PageClass {
  items: class2[][];
  Next: number | null;
}

export type Tree = Tree[];

export type Graph = { [key: string]: Graph | null };

export interface Record2 {
  Class: class2;
}

/** A HubConnection that knows the methods of the hub and of its clients. */
export interface TypesHubConnection extends Omit<signalR.HubConnection, "invoke" | "send" | "stream" | "on" | "off"> {
  invoke(method: "Everything", arg1: everything | null): Promise<everything>;
  invoke(method: "OnlyError"): Promise<void>;
  invoke(method: "Pages", arg1: PageColor): Promise<PageClass>;
  invoke(method: "Recursive", arg1: Tree): Promise<Graph>;
  invoke(method: "Reserved", arg1: Record2): Promise<unknown>;
  invoke(method: "Sum", arg1: number, ...arg2: (number | null)[]): Promise<number>;
  invoke(method: "Upload", arg1: string, arg2: signalR.Subject<PageColor>, arg3: signalR.Subject<string>): Promise<number>;
  invoke(method: "nothing"): Promise<void>;
  invoke(method: "typed", arg1: boolean, arg2: signalR.Subject<number>): Promise<unknown>;
  invoke(method: "void", arg1: unknown): Promise<void>;
  send(method: "Everything", arg1: everything | null): Promise<void>;
  send(method: "OnlyError"): Promise<void>;
  send(method: "Pages", arg1: PageColor): Promise<void>;
  send(method: "Recursive", arg1: Tree): Promise<void>;
  send(method: "Reserved", arg1: Record2): Promise<void>;
  send(method: "Sum", arg1: number, ...arg2: (number | null)[]): Promise<void>;
  send(method: "Upload", arg1: string, arg2: signalR.Subject<PageColor>, arg3: signalR.Subject<string>): Promise<void>;
  send(method: "nothing"): Promise<void>;
  send(method: "typed", arg1: boolean, arg2: signalR.Subject<number>): Promise<void>;
  send(method: "void", arg1: unknown): Promise<void>;
  stream(method: "Count", arg1: number): signalR.IStreamResult<number | null>;
  stream(method: "Range"): signalR.IStreamResult<class2>;
  on(method: "zero", handler: () => void): void;
  on(method: "one", handler: (arg1: class2) => void): void;
  on(method: "\"two\"", handler: (arg1: string, arg2: string) => void): void;
  on(method: "three", handler: (arg1: number, arg2: number, arg3: number) => void): void;
  on(method: "four", handler: (arg1: number, arg2: number, arg3: number, arg4: number | null) => void): void;
  on(method: "ask", handler: () => boolean | Promise<boolean>): void;
  on(method: "ask1", handler: (arg1: number) => boolean | Promise<boolean>): void;
  on(method: "ask2", handler: (arg1: number, arg2: number) => boolean | Promise<boolean>): void;
  on(method: "ask3", handler: (arg1: number, arg2: number, arg3: number) => boolean | Promise<boolean>): void;
  on(method: "askMore", handler: (arg1: number, arg2: number, arg3: number, arg4: string) => class2 | null | Promise<class2 | null>): void;
  off(method: "zero", handler?: () => void): void;
  off(method: "one", handler?: (arg1: class2) => void): void;
  off(method: "\"two\"", handler?: (arg1: string, arg2: string) => void): void;
  off(method: "three", handler?: (arg1: number, arg2: number, arg3: number) => void): void;
  off(method: "four", handler?: (arg1: number, arg2: number, arg3: number, arg4: number | null) => void): void;
  off(method: "ask", handler?: () => boolean | Promise<boolean>): void;
  off(method: "ask1", handler?: (arg1: number) => boolean | Promise<boolean>): void;
  off(method: "ask2", handler?: (arg1: number, arg2: number) => boolean | Promise<boolean>): void;
  off(method: "ask3", handler?: (arg1: number, arg2: number, arg3: number) => boolean | Promise<boolean>): void;
  off(method: "askMore", handler?: (arg1: number, arg2: number, arg3: number, arg4: string) => class2 | null | Promise<class2 | null>): void;
}
`, b.String())
}

// The names of members are those that encoding/json uses.
func TestTypeScriptMembersAreThoseOfJSON(t *testing.T) {
	t.Parallel()
	type (
		Deep struct{ Both, OnlyDeep int }
		Left struct {
			Deep
			Tie    int
			Picked int `json:"Chosen"`
		}
		Right struct {
			Tie    int
			Chosen int
			Tagged int `json:"Plain"`
		}
		Plain struct{ Plain, Both int }
		all   struct {
			Left
			Right
			Plain
			Own int `json:"own"`
		}
	)
	encoded, err := json.Marshal(all{})
	require.NoError(t, err)
	var members map[string]int
	require.NoError(t, json.Unmarshal(encoded, &members))

	hub, err := hubs.New(nil, hubs.HandleVoid1("f", func(*hubs.Context, all) error { return nil }))
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, hub.WriteTypeScript(&b))
	_, declared, _ := strings.Cut(b.String(), "export interface all {\n")
	declared, _, _ = strings.Cut(declared, "}")
	got := map[string]int{}
	for line := range strings.Lines(declared) {
		name, of, _ := strings.Cut(strings.TrimSpace(line), ": ")
		require.Equal(t, "number;", of)
		got[name] = 0
	}
	require.Equal(t, members, got)
}

// Words that mean something else where a type stands are not the names of types:
// the compiler would refuse the whole file.
func TestTypeScriptNamesAreNotWordsOfTheLanguage(t *testing.T) {
	t.Parallel()
	type (
		catch    struct{}
		finally  struct{}
		infer    struct{}
		keyof    struct{}
		readonly struct{}
		unique   struct{}
	)
	hub, err := hubs.New(nil,
		hubs.HandleVoid3("f", func(*hubs.Context, catch, finally, infer) error { return nil }),
		hubs.HandleVoid3("g", func(*hubs.Context, keyof, readonly, unique) error { return nil }))
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, hub.WriteTypeScript(&b))
	require.Contains(t, b.String(), `invoke(method: "f", arg1: catch2, arg2: finally2, arg3: infer2): Promise<void>;`)
	require.Contains(t, b.String(), `invoke(method: "g", arg1: keyof2, arg2: readonly2, arg3: unique2): Promise<void>;`)
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteTypeScriptReportsTheWritersError(t *testing.T) {
	t.Parallel()
	hub, err := hubs.New(nil)
	require.NoError(t, err)
	require.ErrorIs(t, hub.WriteTypeScript(brokenWriter{}), errBroken)
}
