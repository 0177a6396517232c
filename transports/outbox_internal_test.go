package transports

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What is being written counts as not flushed, unlike for queued.
func TestOutboxIsFlushedWhenItsWriterFindsNothing(t *testing.T) {
	t.Parallel()
	o := &outbox{limit: 100}
	require.True(t, o.flushed())
	put := func() {
		wake, err := o.put([]byte("x"), false)
		require.NoError(t, err)
		require.True(t, wake)
		require.False(t, o.flushed())
	}
	put()
	batch, _ := o.take(nil, 0)
	require.Len(t, batch, 1)
	require.Zero(t, o.queued())
	require.False(t, o.flushed())
	batch, _ = o.take(batch, 0)
	require.Empty(t, batch)
	require.True(t, o.flushed())

	put()
	o.detach()
	require.True(t, o.flushed(), "dropped")
	require.False(t, o.attach())
	put()
}
