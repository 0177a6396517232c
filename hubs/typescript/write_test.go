package typescript_test

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
	"github.com/go-signalr/signalr/hubs/typescript"
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

func TestWrite(t *testing.T) {
	t.Parallel()
	hub, err := hubs.New(typesHub{}, hubs.WithName("types hub"),
		hubs.HandleVoid1("void", func(_ *hubs.Context, raw protocol.Raw) error { return nil }),
		hubs.Handle2("typed", func(_ *hubs.Context, a bool, b <-chan int) (any, error) { return nil, nil }),
		hubs.HandleVoid0("nothing", func(*hubs.Context) error { return nil }))
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, typescript.Write(&b, hub,
		hubs.NewEvent0("zero"), hubs.NewEvent1[class]("one"), hubs.NewEvent2[string, []byte](`"two"`, "text", "class"),
		hubs.NewEvent3[int, int, int]("three"), hubs.NewEvent4[int, int, int, *int]("four"),
		hubs.NewQuery0[bool]("ask"), hubs.NewQuery1[int, bool]("ask1"), hubs.NewQuery2[int, int, bool]("ask2"),
		hubs.NewQuery3[int, int, int, bool]("ask3", "x", "y", "z"), hubs.NewQuery4[int, int, int, string, *class]("askMore")))
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
export interface TypesHubConnection extends signalR.HubConnection {
  invoke(methodName: "Everything", arg1: everything | null): Promise<everything>;
  invoke(methodName: "OnlyError"): Promise<void>;
  invoke(methodName: "Pages", arg1: PageColor): Promise<PageClass>;
  invoke(methodName: "Recursive", t: Tree): Promise<Graph>;
  invoke(methodName: "Reserved", arg1: Record2): Promise<unknown>;
  invoke(methodName: "Sum", first: number, ...more: (number | null)[]): Promise<number>;
  invoke(methodName: "Upload", name: string, in_: signalR.Subject<PageColor>, bytes: signalR.Subject<string>): Promise<number>;
  invoke(methodName: "nothing"): Promise<void>;
  invoke(methodName: "typed", a: boolean, b: signalR.Subject<number>): Promise<unknown>;
  invoke(methodName: "void", raw: unknown): Promise<void>;
  send(methodName: "Everything", arg1: everything | null): Promise<void>;
  send(methodName: "OnlyError"): Promise<void>;
  send(methodName: "Pages", arg1: PageColor): Promise<void>;
  send(methodName: "Recursive", t: Tree): Promise<void>;
  send(methodName: "Reserved", arg1: Record2): Promise<void>;
  send(methodName: "Sum", first: number, ...more: (number | null)[]): Promise<void>;
  send(methodName: "Upload", name: string, in_: signalR.Subject<PageColor>, bytes: signalR.Subject<string>): Promise<void>;
  send(methodName: "nothing"): Promise<void>;
  send(methodName: "typed", a: boolean, b: signalR.Subject<number>): Promise<void>;
  send(methodName: "void", raw: unknown): Promise<void>;
  stream(methodName: "Count", to: number): signalR.IStreamResult<number | null>;
  stream(methodName: "Range"): signalR.IStreamResult<class2>;
  on(methodName: "zero", handler: () => void): void;
  on(methodName: "one", handler: (arg1: class2) => void): void;
  on(methodName: "\"two\"", handler: (text: string, class_: string) => void): void;
  on(methodName: "three", handler: (arg1: number, arg2: number, arg3: number) => void): void;
  on(methodName: "four", handler: (arg1: number, arg2: number, arg3: number, arg4: number | null) => void): void;
  on(methodName: "ask", handler: () => boolean | Promise<boolean>): void;
  on(methodName: "ask1", handler: (arg1: number) => boolean | Promise<boolean>): void;
  on(methodName: "ask2", handler: (arg1: number, arg2: number) => boolean | Promise<boolean>): void;
  on(methodName: "ask3", handler: (x: number, y: number, z: number) => boolean | Promise<boolean>): void;
  on(methodName: "askMore", handler: (arg1: number, arg2: number, arg3: number, arg4: string) => class2 | null | Promise<class2 | null>): void;
  off(methodName: "zero", handler?: () => void): void;
  off(methodName: "one", handler?: (arg1: class2) => void): void;
  off(methodName: "\"two\"", handler?: (text: string, class_: string) => void): void;
  off(methodName: "three", handler?: (arg1: number, arg2: number, arg3: number) => void): void;
  off(methodName: "four", handler?: (arg1: number, arg2: number, arg3: number, arg4: number | null) => void): void;
  off(methodName: "ask", handler?: () => boolean | Promise<boolean>): void;
  off(methodName: "ask1", handler?: (arg1: number) => boolean | Promise<boolean>): void;
  off(methodName: "ask2", handler?: (arg1: number, arg2: number) => boolean | Promise<boolean>): void;
  off(methodName: "ask3", handler?: (x: number, y: number, z: number) => boolean | Promise<boolean>): void;
  off(methodName: "askMore", handler?: (arg1: number, arg2: number, arg3: number, arg4: string) => class2 | null | Promise<class2 | null>): void;
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
	require.NoError(t, typescript.Write(&b, hub))
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
	require.NoError(t, typescript.Write(&b, hub))
	require.Contains(t, b.String(), `invoke(methodName: "f", arg1: catch2, arg2: finally2, arg3: infer2): Promise<void>;`)
	require.Contains(t, b.String(), `invoke(methodName: "g", arg1: keyof2, arg2: readonly2, arg3: unique2): Promise<void>;`)
}

func TestWriteOfNoHub(t *testing.T) {
	t.Parallel()
	require.EqualError(t, typescript.Write(new(strings.Builder), nil), "typescript: the hub must not be nil")
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteReportsTheWritersError(t *testing.T) {
	t.Parallel()
	hub, err := hubs.New(nil)
	require.NoError(t, err)
	require.ErrorIs(t, typescript.Write(brokenWriter{}, hub), errBroken)
}
