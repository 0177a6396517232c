package hubs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/transports"
)

// link is one direction of a transport.
type link struct {
	frames [][]byte
	closed bool
	queued int  // what it says
	busy   bool // not flushed, it says
}

func (l *link) Send(frame []byte) error {
	if l.closed {
		return transports.ErrClosed
	}
	l.frames = append(l.frames, frame)
	return nil
}

func (l *link) SendLast(frame []byte) error { return l.Send(frame) }

func (l *link) Queued() int { return l.queued }

func (l *link) Flushed() bool { return !l.busy }

// take removes what was sent.
func (l *link) take() []string {
	texts := make([]string, len(l.frames))
	for i, f := range l.frames {
		texts[i] = string(f[:len(f)-1]) // without the record separator
	}
	l.frames = nil
	return texts
}

func jsonEncoding(t testing.TB) *encoding {
	encodings, err := newEncodings([]protocol.Protocol{protocol.NewJSON()})
	require.NoError(t, err)
	return encodings[0]
}

// startedRelay returns a relay whose client counts.
func startedRelay(limit int) (*relay, *link) {
	l := &link{}
	r := newRelay(l, limit)
	r.receive(&protocol.Ping{})
	return r, l
}

// letter is a frame of five bytes.
func letter(c byte) []byte { return []byte{c, c, c, c, '\x1e'} }

func TestRelayKeepsWhatIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	e := jsonEncoding(t)
	for _, tt := range []struct {
		acks []int64
		size int
		left []string // Sequence first
	}{
		{nil, 25, []string{`{"type":9,"sequenceId":1}`, "aaaa", "bbbb", "cccc", "dddd", "eeee"}},
		{[]int64{0, -1, math.MinInt64}, 25, []string{`{"type":9,"sequenceId":1}`, "aaaa", "bbbb", "cccc", "dddd", "eeee"}},
		{[]int64{2}, 15, []string{`{"type":9,"sequenceId":3}`, "cccc", "dddd", "eeee"}},
		{[]int64{2, 2, 1}, 15, []string{`{"type":9,"sequenceId":3}`, "cccc", "dddd", "eeee"}},
		{[]int64{1, 4}, 5, []string{`{"type":9,"sequenceId":5}`, "eeee"}},
		{[]int64{5}, 0, []string{`{"type":9,"sequenceId":6}`}},
	} {
		r, l := startedRelay(1000)
		for _, c := range []byte("abcde") {
			require.True(t, r.send(letter(c)))
		}
		require.Equal(t, []string{"aaaa", "bbbb", "cccc", "dddd", "eeee"}, l.take())
		for _, number := range tt.acks {
			require.NoError(t, r.ack(number))
		}
		require.Equal(t, tt.size, r.size)
		require.EqualError(t, r.ack(6), "Ack of message 6, but only 5 were sent.")
		require.EqualError(t, r.ack(math.MaxInt64), "Ack of message 9223372036854775807, but only 5 were sent.")
		require.NoError(t, r.replay(e, func() { require.Empty(t, l.frames, "before it is attached") }))
		require.Equal(t, tt.left, l.take())
		require.True(t, r.send(letter('f')))
		require.NoError(t, r.ack(6))
		require.Nil(t, r.queue, "idle connections keep no memory")
	}
}

// An acknowledgement of what was sent again may be of the transport before: what
// has not come again by this one must come by the next.
func TestRelayRepeatsWhatMayHaveBeenMissingInAReplay(t *testing.T) {
	t.Parallel()
	const empty = `{"type":3,"invocationId":"-"}`
	e := jsonEncoding(t)
	r, l := startedRelay(1000)
	requireReplay := func(texts ...string) {
		t.Helper()
		l.take()
		require.NoError(t, r.replay(e, func() {}))
		require.Equal(t, strings.Join(texts, "\x1e"), strings.Join(l.take(), "\x1e"))
	}
	for _, c := range []byte("abcd") {
		require.True(t, r.send(letter(c)))
	}
	require.NoError(t, r.ack(1)) // no doubt: nothing was sent again
	requireReplay(`{"type":9,"sequenceId":2}`, "bbbb", "cccc", "dddd")
	require.True(t, r.send(letter('e')))
	require.NoError(t, r.ack(3))
	require.Equal(t, 10, r.size)
	requireReplay(`{"type":9,"sequenceId":2}`, empty, empty, "dddd", "eeee")
	require.NoError(t, r.ack(5))
	require.Zero(t, r.size)
	requireReplay(`{"type":9,"sequenceId":2}`, empty, empty, empty, empty)
	require.True(t, r.send(letter('f')))
	require.NoError(t, r.ack(6)) // no doubt: it came after all that was sent again
	requireReplay(`{"type":9,"sequenceId":7}`)
}

func TestRelayDoesNotRepeatWithoutEnd(t *testing.T) {
	t.Parallel()
	e := jsonEncoding(t)
	r, l := startedRelay(math.MaxInt)
	for range maxDoubtful + 1 {
		require.True(t, r.send([]byte{'\x1e'}))
	}
	require.NoError(t, r.replay(e, func() {}))
	require.NoError(t, r.ack(maxDoubtful))
	require.EqualValues(t, maxDoubtful, r.doubtful)
	require.NoError(t, r.ack(maxDoubtful+1))
	l.take()
	require.NoError(t, r.replay(e, func() {}))
	require.Equal(t, []string{`{"type":9,"sequenceId":10002}`}, l.take())
}

func TestRelayCountsByKind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		message protocol.Message
		counted bool
	}{
		{&protocol.Invocation{}, true},
		{&protocol.Invocation{Stream: true}, true},
		{&protocol.StreamItem{}, true},
		{&protocol.Completion{}, true},
		{&protocol.CancelInvocation{}, true},
		{&protocol.Ping{}, false},
		{&protocol.Close{}, false},
		{&protocol.Ack{}, false},
		{&protocol.Sequence{}, false},
		{&protocol.Unknown{Kind: 42}, false},
	} {
		r, _ := startedRelay(1000)
		require.True(t, r.receive(tt.message))
		want := int64(1)
		if tt.counted {
			want = 2
		}
		require.Equal(t, want, r.next, "%T", tt.message)
	}
}

func TestRelayDropsRepetitions(t *testing.T) {
	t.Parallel()
	r, _ := startedRelay(1000)
	item := &protocol.StreamItem{}
	ack := func() int64 { n, _ := r.tick(); return n }
	require.Zero(t, ack())
	for range 3 {
		require.True(t, r.receive(item))
	}
	require.EqualValues(t, 3, ack())
	require.Zero(t, ack())

	require.NoError(t, r.sequence(2))
	require.False(t, r.receive(item)) // 2
	require.EqualValues(t, 3, ack(), "it was lost, perhaps")
	require.Zero(t, ack())
	require.True(t, r.receive(&protocol.Ping{}))
	require.False(t, r.receive(item)) // 3
	require.True(t, r.receive(item))  // 4
	require.EqualValues(t, 4, ack())

	require.NoError(t, r.sequence(5))
	require.EqualError(t, r.sequence(6), "Sequence ID greater than amount of messages we've received.")
	require.EqualError(t, r.sequence(0), "Sequence ID 0 is not a message's.")
	require.EqualError(t, r.sequence(math.MinInt64), "Sequence ID -9223372036854775808 is not a message's.")
}

func TestRelayHoldsBackUntilTheClientCounts(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(*relay){
		"by its first message": func(r *relay) { r.receive(&protocol.Ping{}) },
		"by a tick":            func(r *relay) { r.tick() },
		"by the end":           func(r *relay) { r.sendLast(letter('x')) },
	} {
		l := &link{}
		r := newRelay(l, 1000)
		require.True(t, r.send(letter('a')))
		require.NoError(t, r.sendWait(context.Background(), letter('b')))
		r.sendUncounted(letter('p'))
		require.Equal(t, []string{"pppp"}, l.take())
		begin(r)
		require.Equal(t, []string{"aaaa", "bbbb"}, l.take()[:2], name)
		begin(r)
		require.NotContains(t, l.take(), "aaaa", name)
	}
}

func TestRelaySendersWaitForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, l := startedRelay(9)
		done := make(chan error, 10)
		waiter := func(ctx context.Context, c byte) {
			go func() { done <- r.sendWait(ctx, letter(c)) }()
			synctest.Wait()
		}
		waiter(context.Background(), 'a')
		waiter(context.Background(), 'b') // five bytes are not nine
		require.Len(t, done, 2)
		waiter(context.Background(), 'c')
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(context.Background())
		waiter(ctx, 'd')
		require.Len(t, done, 2)
		cancel(gone)
		synctest.Wait()
		<-done
		<-done
		require.Equal(t, gone, <-done)

		require.NoError(t, r.ack(1))
		require.NoError(t, <-done)
		require.Equal(t, []string{"aaaa", "bbbb", "cccc"}, l.take())

		waiter(context.Background(), 'e')
		require.Empty(t, done)
		r.setDeaf(true)
		require.NoError(t, <-done)
		r.setDeaf(false)

		waiter(context.Background(), 'f')
		r.end()
		require.Equal(t, transports.ErrClosed, <-done)
		require.Equal(t, transports.ErrClosed, r.sendWait(context.Background(), letter('g')))
		require.True(t, r.send(letter('h')))
		require.NoError(t, r.ack(2))
		require.Empty(t, r.queue)
	})
}

func TestRelayHasAnEndOfItsMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := startedRelay(10)
		require.True(t, r.send(make([]byte, 2*maxOverrun)), "a single message of any size")
		require.False(t, r.send(letter('a')))
		r.setDeaf(true)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		require.Equal(t, context.DeadlineExceeded, r.sendWait(ctx, letter('b')))
		require.NoError(t, r.ack(1))
		require.True(t, r.send(make([]byte, maxOverrun)))
		require.True(t, r.send(make([]byte, 10)))
		require.False(t, r.send([]byte{1}))
	})
}

// ticks lets a relay tick n times and reports whether it finds its client stuck.
func ticks(r *relay, n int) (stuck bool) {
	for range n {
		_, now := r.tick()
		stuck = stuck || now
	}
	return stuck
}

func TestRelayNoticesClientsThatDoNotAcknowledge(t *testing.T) {
	t.Parallel()
	r, _ := startedRelay(9)
	r.send(letter('a'))
	require.False(t, ticks(r, 100), "within the limit")
	r.send(letter('b'))
	require.False(t, ticks(r, maxSilence-1))
	r.send(letter('c'))
	require.False(t, ticks(r, 1))
	require.True(t, ticks(r, 1))

	require.NoError(t, r.ack(1))
	require.False(t, ticks(r, maxSilence), "slow, but making progress")
	require.NoError(t, r.ack(1))
	require.True(t, ticks(r, 1), "acknowledged already")
	require.NoError(t, r.ack(2))
	require.False(t, ticks(r, 100))
}

// What a client could not have acknowledged is not held against it, and it has the
// full time afterwards.
func TestRelayExcusesClientsThatCannotAcknowledge(t *testing.T) {
	t.Parallel()
	e := jsonEncoding(t)
	for name, tt := range map[string]struct {
		begin, end func(*testing.T, *relay, *link)
	}{
		"not read": {
			func(_ *testing.T, r *relay, _ *link) { r.setDeaf(true) },
			func(_ *testing.T, r *relay, _ *link) { r.setDeaf(false) },
		},
		"without a transport": {
			func(_ *testing.T, r *relay, _ *link) { r.detach() },
			func(t *testing.T, r *relay, _ *link) { require.NoError(t, r.replay(e, func() {})) },
		},
		"not yet sent everything": {
			func(_ *testing.T, _ *relay, l *link) { l.busy = true },
			func(_ *testing.T, _ *relay, l *link) { l.busy = false },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, l := startedRelay(9)
			r.send(make([]byte, 10))
			require.False(t, ticks(r, maxSilence))
			tt.begin(t, r, l)
			require.False(t, ticks(r, 100))
			tt.end(t, r, l)
			require.False(t, ticks(r, maxSilence))
			require.True(t, ticks(r, 1))
		})
	}
}

func TestRelayDoesNotExcuseSendersThatMakeItDeaf(t *testing.T) {
	t.Parallel()
	r, _ := startedRelay(9)
	r.send(make([]byte, 10))
	r.setDeaf(true)
	require.NoError(t, r.sendWait(context.Background(), make([]byte, maxOverrun)))
	require.True(t, ticks(r, maxSilence+1))
}

// peer is one end of a connection whose transports are lost again and again.
type peer struct {
	*relay
	link     *link // the relay's own, as a wire
	incoming *link // the other end's
	sent     int
	received int
}

// wander plays a random story of two relays and checks that every message
// arrives once and in order.
func wander(t *testing.T, random *rand.Rand, steps int) {
	e := jsonEncoding(t)
	peers := [2]*peer{}
	for i := range peers {
		r, l := startedRelay(math.MaxInt)
		peers[i] = &peer{relay: r, link: l}
	}
	peers[0].incoming, peers[1].incoming = peers[1].link, peers[0].link

	send := func(p *peer) {
		frame, err := e.message(&protocol.StreamItem{InvocationID: "x", Item: fmt.Appendf(nil, "%d", p.sent)})
		require.NoError(t, err)
		require.True(t, p.send(frame))
		p.sent++
	}
	receive := func(p *peer) {
		if len(p.incoming.frames) == 0 {
			return
		}
		frame, rest, err := e.protocol.Split(p.incoming.frames[0], 0)
		require.NoError(t, err)
		if p.incoming.frames[0] = rest; len(rest) == 0 {
			p.incoming.frames = p.incoming.frames[1:]
		}
		message, err := e.protocol.Parse(frame)
		require.NoError(t, err)
		if !p.relay.receive(message) {
			return
		}
		switch m := message.(type) {
		case *protocol.StreamItem:
			require.Equal(t, fmt.Sprint(p.received), string(m.Item))
			p.received++
		case *protocol.Ack:
			require.NoError(t, p.ack(m.SequenceID))
		case *protocol.Sequence:
			require.LessOrEqual(t, m.SequenceID, p.next, "the official client is strict")
			require.NoError(t, p.sequence(m.SequenceID))
		}
	}
	tick := func(p *peer) {
		if number, _ := p.tick(); number > 0 {
			frame, err := e.message(&protocol.Ack{SequenceID: number})
			require.NoError(t, err)
			p.sendUncounted(frame)
		}
	}
	lose := func(outage int) {
		for _, p := range peers {
			p.link.closed, p.link.frames = true, nil
		}
		for range outage {
			p := peers[random.IntN(2)]
			if send(p); random.IntN(4) == 0 {
				tick(p)
			}
		}
		for _, p := range peers {
			require.NoError(t, p.replay(e, func() { p.link.closed = false }))
		}
	}
	for range steps {
		switch p := peers[random.IntN(2)]; random.IntN(20) {
		case 0:
			lose(random.IntN(5))
		case 1, 2:
			tick(p)
		case 3, 4, 5, 6, 7, 8:
			send(p)
		default:
			receive(p)
		}
	}
	lose(0)
	for range 2 { // messages, then acknowledgements
		for _, p := range peers {
			for len(p.incoming.frames) > 0 {
				receive(p)
			}
			tick(p)
		}
	}
	receive(peers[0])
	for i, p := range peers {
		require.Equal(t, peers[1-i].sent, p.received)
		require.Zero(t, p.size, "all is acknowledged in the end")
	}
}

func TestRelaysDeliverEverythingOnceAndInOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			wander(t, rand.New(rand.NewPCG(seed, 0)), 400)
		})
	}
}

func FuzzRelays(f *testing.F) {
	f.Add(uint64(1), uint64(2), 1000)
	f.Add(uint64(3), uint64(4), 10)
	f.Fuzz(func(t *testing.T, seed, more uint64, steps int) {
		wander(t, rand.New(rand.NewPCG(seed, more)), min(steps, 10_000))
	})
}

// What takes the place of a message whose content the client has is counted by
// official clients, and is nothing else: they know no call of its name.
func TestRelayRepeatsWithoutContentInEveryProtocol(t *testing.T) {
	t.Parallel()
	encodings, err := newEncodings([]protocol.Protocol{protocol.NewJSON(), protocol.NewMessagePack()})
	require.NoError(t, err)
	for i, want := range []string{"{\"type\":3,\"invocationId\":\"-\"}\x1e", "\x06\x94\x03\x80\xa1-\x02"} {
		require.Equal(t, want, string(encodings[i].empty))
		frame, rest, err := encodings[i].protocol.Split(encodings[i].empty, 0)
		require.NoError(t, err)
		require.Empty(t, rest)
		message, err := encodings[i].protocol.Parse(frame)
		require.NoError(t, err)
		require.Equal(t, &protocol.Completion{InvocationID: "-"}, message)
		require.True(t, counted(message))
	}
}

// An acknowledgement does not go before the message.
func TestRelayRefusesAcksOfWhatWaitsToBeSent(t *testing.T) {
	t.Parallel()
	r, l := startedRelay(1000)
	for range 3 {
		require.True(t, r.send(make([]byte, 400)))
	}
	l.queued = maxUncounted + 800 // two messages, and as much else as there can be
	require.NoError(t, r.ack(1))
	require.EqualError(t, r.ack(2), "Ack of message 2, which waits to be sent.")
}

// discard is a connection that takes everything.
type discard struct{}

func (discard) Send([]byte) error     { return nil }
func (discard) SendLast([]byte) error { return nil }
func (discard) Queued() int           { return 0 }
func (discard) Flushed() bool         { return true }

// BenchmarkRelay numbers messages and keeps them until they are acknowledged, a
// hundred at a time.
func BenchmarkRelay(b *testing.B) {
	r := newRelay(discard{}, 100<<10)
	r.start()
	frame := make([]byte, 64)
	number := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		if !r.send(frame) {
			b.Fatal("no room")
		}
		if number++; number%100 == 0 {
			if err := r.ack(number); err != nil {
				b.Fatal(err)
			}
		}
	}
}
