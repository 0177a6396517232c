package typescript_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/typescript"
)

func write(t *testing.T, hub *hubs.Hub, methods ...hubs.ClientMethod) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, typescript.Write(&b, hub, methods...))
	return b.String()
}

func newHub(t *testing.T, impl any, opts ...hubs.Option) *hubs.Hub {
	t.Helper()
	hub, err := hubs.New(impl, opts...)
	require.NoError(t, err)
	return hub
}

type inner struct{ n int }

// Promoted is found
// within the embedded field. A */ ends no comment.
func (i *inner) Promoted(_ *hubs.Context, deep int) int {
	return i.n + deep
}

type outer struct{ *inner }

// ByValue is called by a wrapper for a pointer.
func (outer) ByValue(_ *hubs.Context, a, b int, _ string) {}

func (*outer) Uncommented(*hubs.Context, int) {}

// shout is a function.
func shout(_ *hubs.Context, loud string) (string, error) { return loud, nil }

func TestNamesAndCommentsFromTheSource(t *testing.T) {
	t.Parallel()
	calls := 0
	hub := newHub(t, &outer{&inner{}}, hubs.Handle1("shout", shout),
		hubs.HandleVoid2("literal", func(_ *hubs.Context, class string, methodName string) error {
			return func(_ *hubs.Context, other int) error { calls++; return nil }(nil, 1)
		}),
		hubs.HandleVoid1("in one line", func(_ *hubs.Context, first int) error { return nil }),
		hubs.Handle1("value", (&inner{}).Again))
	declared := write(t, hub)
	for _, member := range []string{
		"  /**\n   * Promoted is found\n   * within the embedded field. A * / ends no comment.\n   */\n" +
			"  invoke(methodName: \"Promoted\", deep: number): Promise<number>;\n",
		"  /** ByValue is called by a wrapper for a pointer. */\n" +
			"  invoke(methodName: \"ByValue\", a: number, b: number, arg3: string): Promise<void>;\n",
		";\n  invoke(methodName: \"Uncommented\", arg1: number): Promise<void>;\n",
		"  /** shout is a function. */\n  invoke(methodName: \"shout\", loud: string): Promise<string>;\n",
		";\n  invoke(methodName: \"literal\", class_: string, methodName_: string): Promise<void>;\n",
		";\n  invoke(methodName: \"in one line\", first: number): Promise<void>;\n",
		";\n  invoke(methodName: \"value\", arg1: number): Promise<number>;\n",
	} {
		require.Contains(t, declared, member)
	}
}

// Again is used as a method value.
func (i *inner) Again(_ *hubs.Context, n int) (int, error) { return n, nil }

// Clients take names that differ only in case for one.
func TestClientMethodsThatCannotBeDeclared(t *testing.T) {
	t.Parallel()
	methods := []hubs.ClientMethod{
		nil,
		hubs.NewEvent1[int]("moved"), hubs.NewEvent1[string]("Moved"),
		hubs.NewEvent0("twice"), hubs.NewQuery0[int]("twice"),
		hubs.NewEvent2[int, int]("few", "x"),
		hubs.NewEvent1[int]("many", "x", "y"),
		hubs.NewQuery2[int, int, int]("bad", "x", "y z"),
	}
	var b strings.Builder
	err := typescript.Write(&b, newHub(t, nil), methods...)
	require.Empty(t, b.String())
	require.EqualError(t, err, strings.Join([]string{
		`typescript: a client method must not be nil`,
		`typescript: there are two client methods "moved" and "Moved": clients cannot tell them apart`,
		`typescript: there are two client methods "twice" and "twice": clients cannot tell them apart`,
		`typescript: client method few: it takes 2 argument(s) and names 1`,
		`typescript: client method many: it takes 1 argument(s) and names 2`,
		`typescript: client method bad: an argument cannot have the name "y z"`,
	}, "\n"))
}

func TestNamesOfArgumentsDiffer(t *testing.T) {
	t.Parallel()
	declared := write(t, newHub(t, nil), hubs.NewEvent3[int, int, int]("moved", "x", "x", "new"))
	require.Contains(t, declared, `on(methodName: "moved", handler: (x: number, x_: number, new_: number) => void): void;`)
}

// A declared method is the value that it was declared as.
func TestClientMethodsCompare(t *testing.T) {
	t.Parallel()
	declared := map[hubs.ClientMethod]bool{hubs.NewEvent1[int]("moved", "x"): true}
	require.True(t, declared[hubs.NewEvent1[int]("moved", "x")])
	require.False(t, declared[hubs.NewEvent1[int]("moved", "y")])
}
