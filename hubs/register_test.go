package hubs_test

import (
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
)

// pointerHub has methods that only a pointer to it has.
type pointerHub struct{}

func (*pointerHub) Echo(_ *hubs.Context, s string) string { return s }
func (pointerHub) ByValue(*hubs.Context)                  {}

// A hub given by value silently lacked its methods with pointer receivers.
func TestMethodsThatNeedAPointerAreReported(t *testing.T) {
	t.Parallel()
	_, err := hubs.New(pointerHub{})
	require.ErrorContains(t, err, "Echo")
	require.NotContains(t, err.Error(), "ByValue")
	c := serve(t, &pointerHub{}).connect()
	require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, c.call("Echo", `"x"`))
}

// New panicked with a pointer that is nil, which is as good as another if its
// methods do not look behind it.
func TestHubBehindANilPointer(t *testing.T) {
	t.Parallel()
	c := serve(t, (*pointerHub)(nil)).connect()
	require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, c.call("Echo", `"x"`))
	require.Equal(t, `{"type":3,"invocationId":"call","error":"An unexpected error occurred invoking 'ByValue' on the server."}`, c.call("ByValue"))
}

// elementHub has what cannot be sent as the element of something.
type elementHub struct{}

func (elementHub) Variadic(*hubs.Context, ...func())                 {}
func (elementHub) UploadChan(*hubs.Context, <-chan func())           {}
func (elementHub) UploadSeq(*hubs.Context, iter.Seq2[func(), error]) {}
func (elementHub) StreamChan(*hubs.Context) <-chan chan int          { return nil }
func (elementHub) StreamSeq(*hubs.Context) iter.Seq2[func(), error]  { return nil }
func (elementHub) Uploads(*hubs.Context, ...<-chan int)              {}

// Only parameters and results were checked, and not what they consist of.
func TestElementsOfVariadicsAndStreamsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := hubs.New(elementHub{},
		hubs.HandleVoid1("typedUpload", func(*hubs.Context, <-chan func()) error { return nil }),
		hubs.Handle0("typedStream", func(*hubs.Context) (<-chan chan int, error) { return nil, nil }))
	for _, name := range []string{".Variadic", ".UploadChan", ".UploadSeq", ".StreamChan", ".StreamSeq", ".Uploads", "typedUpload", "typedStream"} {
		require.ErrorContains(t, err, name)
	}
}
