package hubs_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/internal/bridge"
)

// TestGuestHasRoomForSoManyGroups: a join for which there is no room changes nothing, from whatever node it comes.
func TestGuestHasRoomForSoManyGroups(t *testing.T) {
	t.Parallel()
	w := newGuestWorld(t, 2)
	ctx := t.Context()
	p := newPeer("")
	p.GroupRoom = bridge.GroupSize("old") + 2*bridge.GroupSize("red")
	v := w.visit(0, p, []string{"old"}, nil)
	for i, from := range w.hubs {
		require.NoError(t, from.Groups().Add(ctx, p.ConnectionID, "red"), "again on node %d", i)
		require.NoError(t, from.Groups().Add(ctx, p.ConnectionID, "sky"), "again on node %d", i)
		require.ErrorIs(t, from.Groups().Add(ctx, p.ConnectionID, "x"), hubs.ErrTooManyGroups, "on node %d", i)
	}
	for _, group := range []string{"x", "old", "red", "sky"} {
		require.NoError(t, w.hubs[1].Clients().Group(group).Send(ctx, "say", group))
	}
	texts, _ := v.take()
	require.ElementsMatch(t, []string{said("old"), said("red"), said("sky")}, texts)
	names, _ := v.Groups()
	require.Equal(t, []string{"old", "red", "sky"}, names)

	require.NoError(t, w.hubs[1].Groups().Remove(ctx, p.ConnectionID, "none"), "which makes no room")
	require.ErrorIs(t, w.hubs[1].Groups().Add(ctx, p.ConnectionID, "x"), hubs.ErrTooManyGroups)
	require.NoError(t, w.hubs[1].Groups().Remove(ctx, p.ConnectionID, "old"))
	require.NoError(t, w.hubs[1].Groups().Add(ctx, p.ConnectionID, "x"))
	v.take()
	names, _ = v.Groups()
	require.Equal(t, []string{"red", "sky", "x"}, names)
}

// TestGuestDropsGroupsOfTheLogWithoutRoom: it was on no node when it was added to them, so that the callers were told
// nothing.
func TestGuestDropsGroupsOfTheLogWithoutRoom(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	w := newGuestWorld(t, 1, hubs.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	ctx := t.Context()
	p := newPeer("")
	p.GroupRoom = 2 * bridge.GroupSize("red")
	v := w.visit(0, p, nil, nil)
	cursor := v.Cursor()
	v.Detach()
	for _, group := range []string{"red", "sky", "x"} {
		require.NoError(t, w.hubs[0].Groups().Add(ctx, p.ConnectionID, group))
	}
	v = w.visit(0, p, nil, cursor)
	v.take()
	names, _ := v.Groups()
	require.Len(t, names, 2, "of three: %v", names)
	require.Contains(t, log.String(), `level=WARN msg="a group of a client is dropped: its groups token is full" hub=Chat connection=`+p.ConnectionID)

	log.Reset()
	v.Detach()
	v = w.visit(0, p, []string{"red", "sky", "x"}, nil) // by a token of a node that has allowed more
	for _, group := range []string{"red", "sky", "x"} {
		require.NoError(t, w.hubs[0].Clients().Group(group).Send(ctx, "say", group))
	}
	texts, _ := v.take()
	require.ElementsMatch(t, []string{said("red"), said("sky")}, texts)
	require.Contains(t, log.String(), `level=DEBUG msg="a group of a client is dropped`, "the second time")
}
