//go:build unix

package hubs_test

import (
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/protocol"
)

// attack is what one client sends to make a hub work or remember.
type attack struct {
	name    string
	first   []byte // sent once
	frames  []byte // sent several times
	times   int
	unread  bool // the client reads nothing
	silent  bool // the client does not shake hands
	resumes bool // by stateful reconnect
}

// BenchmarkAmplification has one client send what costs a hub most, as far as the hub
// takes it, for each kind of message. It reports what the client has sent (sent-B), how
// much memory that takes in the end, with the connection itself (kept-B), that without
// the allowance of a connection for each byte sent (kept/B), and the CPU time of hub and
// client together for a million bytes sent (cpu-s/MB), which with few bytes is that of
// the connection. But for what attack says, the options are the default ones.
func BenchmarkAmplification(b *testing.B) {
	for _, p := range benchProtocols {
		for _, a := range attacks(b, p) {
			b.Run(strings.ReplaceAll(a.name, " ", "_")+"/"+p.Name(), func(b *testing.B) { a.measure(b, p) })
		}
	}
}

// allowance is what a connection may always keep, in bytes.
const allowance = 1 << 20

// attacks returns the attacks by one protocol.
func attacks(b testing.TB, p protocol.Protocol) []attack {
	opcode := byte(1)
	if p.Format() == protocol.Binary {
		opcode = 2
	}
	// each returns the frames of n messages with ids of their own.
	each := func(n int, message func(id string) protocol.Message) []byte {
		ms := make([]protocol.Message, n)
		for i := range ms {
			ms[i] = message(strconv.Itoa(i))
		}
		return messages(b, p, ms...)
	}
	calls := func(n int, target string, stream bool, args ...any) []byte {
		var raws [][]byte
		for _, v := range args {
			raws = append(raws, encoded(b, p, v))
		}
		return each(n, func(id string) protocol.Message {
			return &protocol.Invocation{Target: target, InvocationID: id, Stream: stream, Arguments: raws}
		})
	}
	uploads := func(n int, target string) []byte {
		return each(n, func(id string) protocol.Message {
			return &protocol.Invocation{Target: target, StreamIDs: []string{id}}
		})
	}
	items := func(n int, id string) []byte {
		item := encoded(b, p, "")
		return each(n, func(string) protocol.Message { return &protocol.StreamItem{InvocationID: id, Item: item} })
	}
	repeated := func(m protocol.Message) []byte { return each(many, func(string) protocol.Message { return m }) }
	control := func(opcode byte) []byte { return bytes.Repeat(maskedFrame(opcode, nil), many) }
	ping, err := p.Append(nil, &protocol.Ping{})
	require.NoError(b, err)
	unfinished := []byte(`{"type":1,"target":"` + strings.Repeat("x", 32_000))
	if opcode == 2 {
		unfinished = append([]byte{0xf0, 0xff, 0x01}, unfinished...) // of a message of 32,752 bytes
	}
	// What takes most memory when it is decoded, as the arguments of one message.
	empties := slices.Repeat([]any{map[string]any{}}, 10_000)
	return []attack{
		{name: "invocation", frames: calls(many, "Echo", false, ""), times: 64},
		{name: "empty objects waiting", frames: calls(4, "Take", false, empties), times: 6},
		{name: "empty objects of streams", frames: calls(many/8, "TakeAndWait", true, empties), times: 1},
		{name: "blocking call", frames: calls(many, "Block", false), times: 64},
		{name: "stream left open", frames: calls(10*many, "Wait", true), times: 6},
		{name: "stream unread", frames: calls(10*many, "Endless", true), times: 6, unread: true},
		{name: "channel upload left open", frames: uploads(10*many, "Channel"), times: 6},
		{name: "upload left open", frames: uploads(10*many, "Seq"), times: 6},
		{name: "upload items unread", first: uploads(1, "Seq"), frames: items(many, "0"), times: 64},
		{name: "client result unanswered", frames: calls(10*many, "Ask", false), times: 6},
		{name: "cancellation of nothing", first: calls(many, "Wait", true), frames: repeated(&protocol.CancelInvocation{InvocationID: "x"}), times: 64},
		{name: "stream opened and cancelled", frames: openAndCancel(b, p), times: 16},
		{name: "stream item of nothing", frames: items(many, "x"), times: 64},
		{name: "completion of nothing", frames: repeated(&protocol.Completion{InvocationID: "x"}), times: 64},
		{name: "unknown method", frames: calls(many, "Unknown", false), times: 64},
		{name: "bad arguments", frames: calls(many, "Echo", false, []int{1}), times: 64},
		{name: "ping", frames: repeated(&protocol.Ping{}), times: 64},
		{name: "ack", resumes: true, frames: repeated(&protocol.Ack{}), times: 64},
		{name: "sequence", resumes: true, frames: repeated(&protocol.Sequence{SequenceID: 1}), times: 64},
		{name: "close", frames: repeated(&protocol.Close{}), times: 64},
		{name: "WebSocket ping", frames: control(9), times: 64},
		{name: "WebSocket pong", frames: control(10), times: 64},
		{name: "empty frame", frames: control(opcode), times: 64},
		{name: "frame of one byte", frames: inBytes(opcode, 0x80, bytes.Repeat(ping, many)), times: 16},
		{name: "fragment of one byte", frames: inBytes(opcode, 0, bytes.Repeat(ping, many)), times: 1},
		{name: "unfinished message", frames: maskedFrame(opcode, unfinished), times: 1},
		{name: "handshake trickle", silent: true, frames: inBytes(1, 0x80, []byte(strings.Repeat("{", 2000))), times: 1},
	}
}

const many = 1 << 10

// openAndCancel returns frames that open a stream and cancel it, many times.
func openAndCancel(b testing.TB, p protocol.Protocol) []byte {
	var all []protocol.Message
	for i := range many {
		id := strconv.Itoa(i)
		all = append(all, &protocol.Invocation{Target: "Wait", InvocationID: id, Stream: true}, &protocol.CancelInvocation{InvocationID: id})
	}
	return messages(b, p, all...)
}

// inBytes returns a frame for each byte: messages of their own, with the bit for the last
// fragment, or else one message.
func inBytes(opcode, final byte, data []byte) []byte {
	var frames []byte
	for i, c := range data {
		frame := maskedFrame(opcode, []byte{c})
		if final == 0 {
			frame[0] = opcode
			if i > 0 {
				frame[0] = 0
			}
			if i == len(data)-1 {
				frame[0] |= 0x80
			}
		}
		frames = append(frames, frame...)
	}
	return frames
}

// amplified is a hub with methods that wait, or never end.
func amplified(b testing.TB, opts ...hubs.Option) *benchServer {
	b.Helper()
	wait := func(c *hubs.Context) error {
		<-c.Done()
		return nil
	}
	hub, err := hubs.New(nil, append(opts, hubs.WithLogger(slog.New(slog.DiscardHandler)),
		hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack()),
		hubs.Handle1("Echo", func(_ *hubs.Context, s string) (string, error) { return s, nil }),
		hubs.HandleVoid0("Block", wait),
		hubs.HandleVoid1("Take", func(c *hubs.Context, _ any) error { return wait(c) }),
		hubs.HandleStream1("TakeAndWait", func(c *hubs.Context, _ any) (iter.Seq2[int, error], error) {
			return func(func(int, error) bool) { _ = wait(c) }, nil
		}),
		hubs.HandleVoid1("Channel", func(c *hubs.Context, _ <-chan string) error { return wait(c) }),
		hubs.HandleVoid1("Seq", func(_ *hubs.Context, items iter.Seq2[string, error]) error {
			for _, err := range items {
				return err
			}
			return nil
		}),
		hubs.Handle0("Ask", func(c *hubs.Context) (int, error) { return hubs.Invoke[int](c, c.Clients().Caller(), "ask") }),
		hubs.HandleStream0("Wait", func(c *hubs.Context) (iter.Seq2[int, error], error) {
			return func(func(int, error) bool) { _ = wait(c) }, nil
		}),
		hubs.HandleStream0("Endless", func(*hubs.Context) (iter.Seq2[int, error], error) {
			return func(yield func(int, error) bool) {
				for yield(0, nil) {
				}
			}, nil
		}))...)
	require.NoError(b, err)
	server := httptest.NewServer(hub)
	b.Cleanup(func() {
		shutDown(b, hub)
		server.Close()
	})
	return &benchServer{hub, server.Listener.Addr().String()}
}

// measure is the benchmark of one attack.
func (a attack) measure(b *testing.B, p protocol.Protocol) {
	var sent, kept, cpu float64
	for b.Loop() {
		s := amplified(b, hubs.WithStatefulReconnect())
		before := inUse()
		c := a.connect(b, s, p)
		begin := cpuTime(b)
		n := a.carryOut(b, c)
		sent += float64(n)
		cpu += cpuTime(b) - begin
		kept += inUse() - before
		runtime.KeepAlive(c)
		_ = c.Close()
	}
	n := float64(b.N)
	b.ReportMetric(sent/n, "sent-B")
	b.ReportMetric(kept/n, "kept-B")
	b.ReportMetric(max(0, kept/n-allowance)/(sent/n), "kept/B")
	b.ReportMetric(cpu/sent*1e6, "cpu-s/MB")
	b.ReportMetric(0, "ns/op")
}

// connect connects as the attack needs it.
func (a attack) connect(b *testing.B, s *benchServer, p protocol.Protocol) *benchClient {
	b.Helper()
	switch {
	case a.silent:
		return s.open(b, "/")
	case !a.resumes:
		return s.connect(b, p)
	}
	r, err := http.Post("http://"+s.addr+"/negotiate?negotiateVersion=1&useStatefulReconnect=true", "", nil)
	require.NoError(b, err)
	defer r.Body.Close()
	var grant struct{ ConnectionToken string }
	require.NoError(b, json.NewDecoder(r.Body).Decode(&grant))
	c := s.open(b, "/?id="+grant.ConnectionToken)
	c.shakeHands(b, p, 2)
	return c
}

// carryOut sends what the hub takes, and returns how many bytes that are when the hub is
// idle again.
func (a attack) carryOut(b *testing.B, c *benchClient) (sent int) {
	b.Helper()
	if !a.unread {
		go func() { _, _ = io.Copy(io.Discard, c) }() // to the end of the connection
	}
	for _, data := range append([][]byte{a.first}, slices.Repeat([][]byte{a.frames}, a.times)...) {
		for len(data) > 0 {
			require.NoError(b, c.SetWriteDeadline(time.Now().Add(500*time.Millisecond)))
			n, err := c.Write(data[:min(len(data), 64<<10)])
			sent += n
			data = data[n:]
			if err != nil { // it is held back, or the connection has ended
				a.settle(b)
				return sent
			}
		}
	}
	a.settle(b)
	return sent
}

// settle returns when the process has nothing to do.
func (a attack) settle(b *testing.B) {
	last := cpuTime(b)
	for idle := 0; idle < 5; {
		time.Sleep(20 * time.Millisecond)
		now := cpuTime(b)
		if idle++; now-last > 0.002 {
			idle = 0
		}
		last = now
	}
}

// cpuTime returns what the process has used, in seconds.
func cpuTime(b *testing.B) float64 {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// inUse returns the memory in use, in bytes.
func inUse() float64 {
	runtime.GC()
	runtime.GC() // pools need two
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}
