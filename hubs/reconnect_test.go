package hubs_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

func TestReconnectReplaysWhatIsNotAcknowledged(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		ctx := context.Background()
		c := w.arrive("ada")
		c.send(invoke("1", "Join", `"travellers"`), invoke("2", "Put", `"kept"`), invoke("3", "Echo", `"x"`))
		c.expect(`{"type":3,"invocationId":"1","result":null}`, `{"type":3,"invocationId":"2","result":null}`, result("3", `"x"`))
		c.send(ack(2))
		synctest.Wait()
		c.lose()
		require.NoError(t, w.Clients().Client(c.id()).Send(ctx, "toClient", 1))
		require.NoError(t, w.Clients().Group("travellers").Send(ctx, "toGroup", 2))
		require.NoError(t, w.Clients().User("ada").Send(ctx, "toUser", 3))
		require.NoError(t, w.Clients().All().Send(ctx, "toAll", 4))
		require.Zero(t, w.Stats().Resumed)

		c.open()
		c.expect(sequence(3), result("3", `"x"`),
			event("toClient", 1), event("toGroup", 2), event("toUser", 3), event("toAll", 4))
		require.EqualValues(t, 1, w.Stats().Resumed)
		require.Equal(t, map[transports.Kind]uint64{transports.WebSockets: 1}, w.Stats().Started)

		// And it goes on as if nothing had happened.
		require.NoError(t, w.Clients().Group("travellers").Send(ctx, "toGroup", 5))
		c.send(sequence(4), invoke("4", "Get", ``))
		c.expect(event("toGroup", 5), result("4", `"kept"`))

		// With everything acknowledged, Sequence names the message that comes next.
		c.send(ack(9))
		synctest.Wait()
		c.lose()
		c.open()
		c.expect(sequence(10))
		c.send(sequence(5), invoke("5", "Echo", `"y"`))
		c.expect(result("5", `"y"`))
		require.Empty(t, w.diary, "a change of transport is no end and no beginning")
	})
}

func TestCallsAndStreamsGoOnOverAReconnect(t *testing.T) {
	inWorld(t, []hubs.Option{hubs.WithMaximumParallelInvocations(2)}, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.send(invoke("wait", "Wait", ``),
			invoke("ask", "Ask", ``),
			`{"type":4,"invocationId":"feed","target":"Feed","arguments":[]}`,
			`{"type":1,"invocationId":"sum","target":"Sum","arguments":[],"streamIds":["up"]}`,
			item("up", 1))
		require.Equal(t, 1, await.Receive(t, w.hub.got, "the next number"))
		synctest.Wait() // Ask has asked; it and Feed run side by side
		await.Send(t, w.hub.feed, 10, "the stream")
		c.expect(`{"type":1,"invocationId":"s1","target":"question","arguments":[]}`, item("feed", 10))

		c.lose()
		await.Send(t, w.hub.feed, 20, "the stream")
		synctest.Wait()
		await.Send(t, w.hub.release, "done", "the running call")
		synctest.Wait()
		c.open()
		c.expect(sequence(1), `{"type":1,"invocationId":"s1","target":"question","arguments":[]}`,
			item("feed", 10), item("feed", 20), result("wait", `"done"`))

		// The client sends what was never received for sure, and what is new.
		c.send(sequence(5), item("up", 1), item("up", 2), result("s1", `"answer"`), `{"type":3,"invocationId":"up"}`)
		require.Equal(t, 2, await.Receive(t, w.hub.got, "the next number"))
		synctest.Wait()
		close(w.hub.feed)
		got := map[string]bool{}
		for range 3 {
			record, err := c.next()
			require.NoError(t, err)
			got[record] = true
		}
		require.Equal(t, map[string]bool{
			result("ask", `"answer"`):          true,
			result("sum", `3`):                 true,
			`{"type":3,"invocationId":"feed"}`: true,
		}, got)
		require.Empty(t, w.diary)
	})
}

// note is a call that leaves a trace and is not answered.
func note(n int) string { return fmt.Sprintf(`{"type":1,"target":"Note","arguments":[%d]}`, n) }

func TestRepetitionsAreDroppedAndAcknowledgedAgain(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.send(note(1), note(2), note(3))
		record, err := c.next()
		require.NoError(t, err)
		require.Equal(t, ack(3), record)

		c.lose()
		c.open()
		c.client.expect(sequence(1))
		c.send(sequence(2), note(2), note(3))
		c.client.expect(ack(3)) // the first one may not have arrived
		c.send(note(4))
		c.client.expect(ack(4))
		for n := 1; n <= 4; n++ {
			require.Equal(t, n, await.Receive(t, w.hub.got, "the next number"))
		}
		require.Empty(t, w.hub.got)
	})
}

func TestAcknowledgementsComeOnceASecond(t *testing.T) {
	inWorld(t, []hubs.Option{hubs.WithKeepAliveInterval(time.Hour)}, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.send(note(1))
		began := time.Now()
		for i := range 30 { // ten a second
			time.Sleep(100 * time.Millisecond)
			c.send(note(2 + i))
		}
		var acks int
		for last := ""; last != ack(31); acks++ {
			record, err := c.next()
			require.NoError(t, err)
			require.Regexp(t, isAck, record)
			last = record
		}
		require.InDelta(t, 4, acks, 1)
		require.LessOrEqual(t, time.Since(began), 5*time.Second)

		// Nothing new: nothing to acknowledge. Pings and the like do not count.
		c.send(`{"type":6}`, ack(0))
		require.NoError(t, c.socket.SetReadDeadline(time.Now().Add(10*time.Second)))
		_, message, err := c.socket.ReadMessage()
		require.Error(t, err, "%s", message)
	})
}

func TestHalfAMessageBeforeTheLossIsForgotten(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.sendRaw(note(1) + "\x1e" + note(2)[:20])
		require.Equal(t, 1, await.Receive(t, w.hub.got, "the next number"))
		c.lose()
		c.open()
		c.expect(sequence(1))
		c.send(sequence(2), note(2), note(3))
		require.Equal(t, 2, await.Receive(t, w.hub.got, "the next number"))
		require.Equal(t, 3, await.Receive(t, w.hub.got, "the next number"))
	})
}

func TestClientsThatLieAboutNumbersAreClosed(t *testing.T) {
	const closed = `{"type":7,"error":"Connection closed with an error. InvalidDataException: %s","allowReconnect":true}`
	for _, tt := range []struct{ name, send, detail string }{
		{"Sequence beyond the next", sequence(3), "Sequence ID greater than amount of messages we've received."},
		{"Sequence far beyond", `{"type":9,"sequenceId":9223372036854775807}`, "Sequence ID greater than amount of messages we've received."},
		{"Sequence of nothing", sequence(0), "Sequence ID 0 is not a message's."},
		{"negative Sequence", sequence(-1), "Sequence ID -1 is not a message's."},
		{"Ack of the future", ack(2), "Ack of message 2, but only 1 were sent."},
		{"Ack of the far future", `{"type":8,"sequenceId":9223372036854775807}`, "Ack of message 9223372036854775807, but only 1 were sent."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, nil, func(t *testing.T, w *world) {
				c := w.arrive("")
				c.send(invoke("1", "Echo", `"x"`))
				c.expect(result("1", `"x"`))
				c.send(tt.send)
				c.expect(fmt.Sprintf(closed, tt.detail))
				c.expectClosed(websocket.CloseNormalClosure)
				w.diary.expect(t, "disconnected: "+tt.detail)
				c.refused(http.StatusNotFound)
			})
		})
	}
}

// Old and negative numbers acknowledge nothing.
func TestAcksOfThePastAreIgnored(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.send(invoke("1", "Echo", `"x"`), invoke("2", "Echo", `"y"`))
		c.expect(result("1", `"x"`), result("2", `"y"`))
		c.send(ack(1), ack(1), ack(0), ack(-1), `{"type":8,"sequenceId":-9223372036854775808}`)
		synctest.Wait()
		c.lose()
		c.open()
		c.expect(sequence(2), result("2", `"y"`))
	})
}

// A handshake of version 1 switches it off.
func TestVersion1DoesNotReconnect(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := &traveller{world: w, grant: w.negotiate("&useStatefulReconnect=true", "")}
		c.open()
		c.send(`{"protocol":"json","version":1}`)
		c.expect(`{}`)
		w.diary.expect(t, "connected")
		c.send(ack(7), sequence(7), invoke("1", "Echo", `"ignored"`))
		c.client.expect(result("1", `"ignored"`))
		c.refused(http.StatusConflict)
		time.Sleep(3 * time.Second)
		c.send(invoke("2", "Echo", `"unacknowledged"`))
		c.client.expect(result("2", `"unacknowledged"`))
		c.lose()
		w.diary.expect(t, lostEntry)
		c.refused(http.StatusNotFound)
	})
}

// Without a negotiation nobody has asked for it.
func TestSkippedNegotiationDoesNotReconnect(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := &traveller{world: w}
		c.open()
		c.send(`{"protocol":"json","version":2}`)
		c.expect(`{}`)
		w.diary.expect(t, "connected")
		c.send(ack(7), sequence(7), invoke("1", "Echo", `"ignored"`))
		c.client.expect(result("1", `"ignored"`))
		c.lose()
		w.diary.expect(t, lostEntry)
	})
}

// Other transports do not have it, though the client has asked for it.
func TestLongPollingDoesNotReconnect(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := &traveller{world: w, grant: w.negotiate("&useStatefulReconnect=true", "")}
		require.NotNil(t, c.grant.UseStatefulReconnect)
		c.poll(http.MethodGet, "")
		c.poll(http.MethodPost, `{"protocol":"json","version":2}`)
		require.Equal(t, "{}\x1e", c.poll(http.MethodGet, ""))
		w.diary.expect(t, "connected")
		c.poll(http.MethodPost, ack(7), sequence(7), invoke("1", "Echo", `"ignored"`))
		require.Equal(t, result("1", `"ignored"`)+"\x1e", c.poll(http.MethodGet, ""))
		status, _ := c.attempt()
		require.Equal(t, http.StatusBadRequest, status)
		c.poll(http.MethodDelete, "")
		w.diary.expect(t, "disconnected: <nil>")
	})
}

func TestReconnectIsGrantedToThoseWhoAskWhereItIsAllowed(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"", "&useStatefulReconnect=false", "&useStatefulReconnect=1", "&useStatefulReconnect="} {
		t.Run("asking with "+query, func(t *testing.T) {
			inWorld(t, nil, func(t *testing.T, w *world) {
				c := &traveller{world: w, grant: w.negotiate(query, "")}
				require.Nil(t, c.grant.UseStatefulReconnect)
				c.open()
				c.send(`{"protocol":"json","version":2}`)
				c.expect(`{}`)
				c.refused(http.StatusConflict)
				c.lose()
				c.refused(http.StatusNotFound)
			})
		})
	}
	t.Run("case does not matter", func(t *testing.T) {
		inWorld(t, nil, func(t *testing.T, w *world) {
			require.NotNil(t, w.negotiate("&USEstatefulReconnect=TRUE", "").UseStatefulReconnect)
		})
	})
	t.Run("version 0, whose token is the public id", func(t *testing.T) {
		opt := hubs.WithEndpoint(transports.WithMinimumProtocolVersion(0))
		inWorld(t, []hubs.Option{opt}, func(t *testing.T, w *world) {
			c := &traveller{world: w, grant: w.askNegotiate("?useStatefulReconnect=true", "")}
			require.Nil(t, c.grant.UseStatefulReconnect)
			c.grant.ConnectionToken = c.grant.ConnectionID
			c.open()
			c.send(`{"protocol":"json","version":2}`)
			c.expect(`{}`)
			c.refused(http.StatusConflict)
			c.lose()
			c.refused(http.StatusNotFound)
		})
	})
	t.Run("not allowed", func(t *testing.T) {
		t.Parallel()
		s := serve(t, nil)
		response, err := s.http.Client().Post(s.http.URL+"/hub/negotiate?negotiateVersion=1&useStatefulReconnect=true", "", nil)
		require.NoError(t, err)
		defer response.Body.Close()
		body := new(strings.Builder)
		require.NoError(t, response.Write(body))
		require.NotContains(t, body.String(), "useStatefulReconnect")
	})
}

func TestAnotherWebSocketTakesOverFromOneThatLives(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.send(invoke("1", "Echo", `"x"`))
		c.expect(result("1", `"x"`))
		first := *c
		for i := range 3 {
			c.open()
			c.expect(sequence(1), result("1", `"x"`))
			c.send(sequence(2+i), note(i))
			require.Equal(t, i, await.Receive(t, w.hub.got, "the next number"))
		}
		first.expectLost()
		require.EqualValues(t, 3, w.Stats().Resumed)
		require.Empty(t, w.diary)
	})
}

// A WebSocket waits for the one before it, which cannot let go as long as what it has
// received is in work. The newest one gets the connection.
func TestNewestWebSocketGoesOnWithTheConnection(t *testing.T) {
	for _, tt := range []struct {
		name      string
		meanwhile func(c *traveller, second *knock) (newest *knock)
	}{
		{"nothing happens", func(_ *traveller, second *knock) *knock { return second }},
		{"a third comes", func(c *traveller, second *knock) *knock {
			third := c.knock()
			second.expect(http.StatusConflict)
			return third
		}},
		{"more and more come", func(c *traveller, newest *knock) *knock {
			for range 3 {
				older := newest
				newest = c.knock()
				older.expect(http.StatusConflict)
			}
			return newest
		}},
		{"the second goes away", func(c *traveller, second *knock) *knock {
			second.leave()
			return c.knock()
		}},
		{"a third comes and goes away", func(c *traveller, second *knock) *knock {
			third := c.knock()
			second.expect(http.StatusConflict)
			third.leave()
			return c.knock()
		}},
		{"another user comes", func(c *traveller, second *knock) *knock {
			eve := &traveller{world: c.world, grant: c.grant, user: "eve"}
			eve.refused(http.StatusForbidden)
			return second
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, []hubs.Option{hubs.WithInputBufferSize(1)}, func(t *testing.T, w *world) {
				c := w.arrive("ada")
				c.send(invoke("1", "Wait", ``), note(1)) // which is too much
				synctest.Wait()
				second := c.knock()
				second.expectWaiting()
				newest := tt.meanwhile(c, second)
				newest.expectWaiting()

				await.Send(t, w.hub.release, "done", "the running call")
				newest.enter()
				c.expect(sequence(1), result("1", `"done"`))
				c.send(sequence(2), note(1), note(2)) // the first one again
				require.Equal(t, 1, await.Receive(t, w.hub.got, "the next number"))
				require.Equal(t, 2, await.Receive(t, w.hub.got, "the next number"))
				synctest.Wait()
				require.Empty(t, w.hub.got, "more numbers")
				require.Empty(t, w.diary)
				require.EqualValues(t, 1, w.Stats().Resumed)
			})
		})
	}
}

// A newer WebSocket comes when one has the place and is not yet one: what it was to
// receive goes to the newer one.
func TestNewerWebSocketComesDuringTheUpgrade(t *testing.T) {
	upgrading := make(chan chan struct{}, 1)
	over := t.Context()
	hold := transports.WithSubProtocol(func(requested []string) string {
		if len(requested) > 0 {
			proceed := make(chan struct{})
			upgrading <- proceed
			select {
			case <-proceed:
			case <-over.Done(): // the test has failed
			}
		}
		return ""
	})
	inWorld(t, []hubs.Option{hubs.WithEndpoint(hold)}, func(t *testing.T, w *world) {
		over = t.Context()
		c := w.arrive("")
		c.send(invoke("1", "Echo", `"x"`), note(1))
		c.expect(result("1", `"x"`))
		c.lose()
		second := c.knock("held")
		proceed := await.Receive(t, upgrading, "the upgrade of the second WebSocket")
		third := c.knock()
		third.expectWaiting()
		require.NoError(t, w.Clients().All().Send(context.Background(), "toAll", 1))

		close(proceed)
		third.enter()
		c.expect(sequence(1), result("1", `"x"`), event("toAll", 1))
		c.send(sequence(2), note(1), note(2))
		require.Equal(t, 1, await.Receive(t, w.hub.got, "the next number"))
		require.Equal(t, 2, await.Receive(t, w.hub.got, "the next number"))
		synctest.Wait()
		require.Empty(t, w.hub.got, "more numbers")
		require.Empty(t, w.diary)
		require.EqualValues(t, 1, w.Stats().Resumed)
		second.leave()
	})
}

// A WebSocket that waits for the one before learns of the end of the connection.
func TestWaitingWebSocketEndsWithTheConnection(t *testing.T) {
	for _, tt := range []struct {
		name  string
		end   func(w *world, c *traveller)
		entry string
	}{
		{"aborted", func(w *world, c *traveller) {
			_ = w.Clients().Client(c.id()).Abort(context.Background(), nil)
		}, abortedEntry},
		{"shutdown", func(w *world, _ *traveller) { shutDown(w.t, w.Hub) }, shutdownEntry},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := []hubs.Option{
				hubs.WithInputBufferSize(1),
				hubs.WithShutdownGrace(0), // which would make room by refusing the second call, so that the one before lets go
			}
			inWorld(t, opts, func(t *testing.T, w *world) {
				c := w.arrive("")
				c.send(invoke("1", "Wait", ``), note(1)) // which is too much
				synctest.Wait()
				second := c.knock()
				second.expectWaiting()
				tt.end(w, c)
				second.expect(http.StatusNotFound)
				w.diary.expect(t, tt.entry)
				c.refused(http.StatusNotFound)
			})
		})
	}
}

func TestReconnectByAnotherUserIsRefused(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := w.arrive("ada")
		eve := &traveller{world: w, grant: c.grant, user: "eve"}
		eve.refused(http.StatusForbidden)
		c.send(invoke("1", "Echo", `"undisturbed"`))
		c.expect(result("1", `"undisturbed"`))
		c.lose()
		eve.refused(http.StatusForbidden)
		c.open()
		c.expect(sequence(1), result("1", `"undisturbed"`))
	})
}

func TestOutageThatLastsTooLong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		opts   []hubs.Option
		window time.Duration
	}{
		"by default": {nil, 15 * time.Second},
		"an option":  {[]hubs.Option{hubs.WithEndpoint(transports.WithDisconnectTimeout(3 * time.Second))}, 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, tt.opts, func(t *testing.T, w *world) {
				c := w.arrive("")
				c.send(invoke("1", "Wait", ``))
				for range 3 { // each outage has its own time
					c.lose()
					time.Sleep(tt.window - time.Second)
					c.open()
					c.expect(sequence(1))
				}
				require.Empty(t, w.diary)
				require.Zero(t, w.Stats().Lost)
				c.lose()
				gone := seconds(func() { w.diary.expect(t, inactiveEntry) })
				require.InDelta(t, tt.window.Seconds()+0.5, gone, 0.6)
				c.refused(http.StatusNotFound)
				stats := w.Stats()
				require.EqualValues(t, 3, stats.Resumed)
				require.EqualValues(t, 1, stats.Lost)
				require.Equal(t, map[string]uint64{"timeout": 1}, stats.Ended)
			})
		})
	}
}

// However a connection ends in earnest, the client that tries once more does not
// get it back, also not while OnDisconnected runs.
func TestTheEndIsFinal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		end    func(t *testing.T, w *world, c *traveller)
		said   string // by the server
		cause  string
		outage bool
	}{
		{name: "Context.Abort", said: `{"type":7}`, cause: hubs.ErrAborted.Error(),
			end: func(_ *testing.T, _ *world, c *traveller) { c.send(`{"type":1,"target":"Leave","arguments":[]}`) }},
		{name: "kicked", said: `{"type":7}`, cause: hubs.ErrAborted.Error(),
			end: func(_ *testing.T, w *world, c *traveller) {
				_ = w.Clients().Client(c.id()).Abort(context.Background(), nil)
			}},
		{name: "kicked during an outage", cause: hubs.ErrAborted.Error(), outage: true,
			end: func(_ *testing.T, w *world, c *traveller) {
				_ = w.Clients().Client(c.id()).Abort(context.Background(), nil)
			}},
		{name: "client Close", said: `{"type":7}`, cause: "<nil>",
			end: func(_ *testing.T, _ *world, c *traveller) { c.send(`{"type":7}`) }},
		{name: "protocol error", cause: "Error reading JSON.",
			said: `{"type":7,"error":"Connection closed with an error. InvalidDataException: Error reading JSON.","allowReconnect":true}`,
			end:  func(_ *testing.T, _ *world, c *traveller) { c.send(`nonsense`) }},
		{name: "WebSocket closed", cause: "<nil>",
			end: func(_ *testing.T, _ *world, c *traveller) { c.close() }},
		{name: "silence of the client", cause: hubs.ErrClientTimeout.Error(),
			said: `{"type":7,"error":"Connection closed with an error. OperationCanceledException: ` + hubs.ErrClientTimeout.Error() + `","allowReconnect":true}`,
			end: func(t *testing.T, _ *world, c *traveller) {
				message, err := c.read() // the timeout takes longer than one wait
				require.NoError(t, err)
				require.Equal(t, "{\"type\":6}\x1e", string(message))
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ending := make(chan chan error, 1)
			over := t.Context()
			opts := []hubs.Option{hubs.WithOnDisconnected(func(_ *hubs.Context, cause error) {
				proceed := make(chan error)
				ending <- proceed
				select {
				case proceed <- cause:
				case <-over.Done(): // the test has failed
				}
			})}
			inWorld(t, opts, func(t *testing.T, w *world) {
				over = t.Context()
				c := w.arrive("")
				if tt.outage {
					c.lose()
				}
				tt.end(t, w, c)
				if tt.said != "" {
					c.expect(tt.said)
				}
				proceed := await.Receive(t, ending, "the start of OnDisconnected")
				c.refused(http.StatusNotFound)
				require.Equal(t, tt.cause, fmt.Sprint(await.Receive(t, proceed, "the cause of the end")))
				if !tt.outage {
					c.expectClosed(websocket.CloseNormalClosure)
				}
				synctest.Wait()
				c.refused(http.StatusNotFound)
				lost := uint64(0)
				if tt.outage {
					lost = 1
				}
				require.Equal(t, lost, w.Stats().Lost)
			})
		})
	}
}

// A client that does not read is not waited for.
func TestWriteThatTakesTooLongIsFinal(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := w.arrive("")
		require.NoError(t, w.Clients().All().Send(context.Background(), "text", "nobody reads this"))
		after := seconds(func() {
			require.Contains(t, await.Receive(t, w.diary, "the end of the connection"), transports.ErrWriteTimeout.Error())
		})
		require.InDelta(t, transports.DefaultSendTimeout.Seconds(), after, 1.5)
		c.refused(http.StatusNotFound)
		synctest.Wait()
		require.Equal(t, map[string]uint64{"write_timeout": 1}, w.Stats().Ended)
	})
}

// A connection that was refused by OnConnected does not come back.
func TestRefusalByOnConnectedIsFinal(t *testing.T) {
	refuse := hubs.WithOnConnected(func(*hubs.Context) error { return hubs.NewError("no") })
	inWorld(t, []hubs.Option{refuse}, func(t *testing.T, w *world) {
		c := &traveller{world: w, grant: w.negotiate("&useStatefulReconnect=true", "")}
		c.open()
		c.send(`{"protocol":"json","version":2}`)
		c.expect(`{}`, `{"type":7,"error":"Connection closed with an error. HubException: no"}`)
		c.refused(http.StatusNotFound)
		c.expectClosed(websocket.CloseNormalClosure)
	})
}

func TestShutdownDuringAnOutage(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.send(invoke("1", "Wait", ``))
		c.lose()
		time.Sleep(heldUp) // the hub notices that
		require.Zero(t, seconds(func() { shutDown(t, w.Hub) }))
		w.diary.expect(t, shutdownEntry)
		c.refused(http.StatusNotFound)
	})
}

func TestShutdownIsFinal(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := w.arrive("")
		down := make(chan error)
		go func() { down <- w.Shutdown(context.Background()) }()
		c.expect(`{"type":7,"allowReconnect":true}`)
		c.refused(http.StatusNotFound)
		c.expectClosed(websocket.CloseNormalClosure)
		require.NoError(t, await.Receive(t, down, "the end of the shutdown"))
	})
}

// What OnConnected sends waits for the client's first message, since the official
// client does not count what it reads together with the handshake's answer; but it
// does not wait for long.
func TestMessagesWaitForTheClientToCount(t *testing.T) {
	opts := []hubs.Option{hubs.WithOnConnected(func(c *hubs.Context) error {
		for _, n := range []int{1, 2} {
			if err := c.Clients().Caller().Send(c, "welcome", n); err != nil {
				return err
			}
		}
		if c.UserID() == "" {
			return nil
		}
		return hubs.NewError("no users")
	})}
	arrive := func(w *world, user string) *traveller {
		c := &traveller{world: w, grant: w.negotiate("&useStatefulReconnect=true", user), user: user}
		c.open()
		c.send(`{"protocol":"json","version":2}`)
		c.expect(`{}`)
		return c
	}
	t.Run("a client that pings", func(t *testing.T) {
		inWorld(t, opts, func(t *testing.T, w *world) {
			c := arrive(w, "")
			require.Empty(t, c.records, "in the frame of the answer")
			c.send(`{"type":6}`)
			require.Zero(t, seconds(func() { c.expect(event("welcome", 1), event("welcome", 2)) }))
			c.lose()
			c.open()
			c.expect(sequence(1), event("welcome", 1), event("welcome", 2))
		})
	})
	t.Run("a client that says nothing", func(t *testing.T) {
		inWorld(t, opts, func(t *testing.T, w *world) {
			c := arrive(w, "")
			require.Empty(t, c.records, "in the frame of the answer")
			require.LessOrEqual(t, seconds(func() { c.expect(event("welcome", 1), event("welcome", 2)) }), 1.)
		})
	})
	t.Run("a client that is refused", func(t *testing.T) {
		inWorld(t, opts, func(t *testing.T, w *world) {
			c := arrive(w, "ada")
			require.Zero(t, seconds(func() {
				c.expect(event("welcome", 1), event("welcome", 2), `{"type":7,"error":"Connection closed with an error. HubException: no users"}`)
			}))
		})
	})
}

// The log shows what became of a connection and why a client was refused, without
// the token.
func TestChangesOfTheWebSocketAreLogged(t *testing.T) {
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	inWorld(t, []hubs.Option{hubs.WithLogger(logger)}, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.lose()
		require.Regexp(t, `msg="WebSocket lost" hub=travelHub connection=`+c.id()+` error=`, log.String())
		c.open()
		c.expect(sequence(1))
		require.Contains(t, log.String(), `msg="WebSocket replaced" hub=travelHub connection=`+c.id())
		require.NoError(t, w.Clients().Client(c.id()).Abort(context.Background(), nil), nil)
		w.diary.expect(t, abortedEntry)
		c.drop()
		synctest.Wait()
		c.refused(http.StatusNotFound)
		require.Contains(t, log.String(), `msg="request refused"`)
		require.NotContains(t, log.String(), c.grant.ConnectionToken)
	})
}
