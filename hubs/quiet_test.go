package hubs_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
)

// Clients cannot fill the log by what they are refused, cancel or leave; what fails by
// itself is a warning.
func TestClientsCannotFillTheLogWithWarnings(t *testing.T) {
	const wait = `{"type":1,"invocationId":"1","target":"Wait","arguments":[]}`
	for name, tt := range map[string]struct {
		do    func(c *client)
		level string
	}{
		"a client leaves":          {func(c *client) { c.send(wait); synctest.Wait(); c.drop() }, "level=DEBUG"},
		"a client closes":          {func(c *client) { c.send(wait); synctest.Wait(); c.send(`{"type":7}`) }, "level=DEBUG"},
		"a client cancels":         {func(c *client) { c.send(wait, `{"type":5,"invocationId":"1"}`) }, "level=DEBUG"},
		"a call is not authorized": {func(c *client) { c.send(`{"type":1,"target":"Secret","arguments":[]}`) }, "level=DEBUG"},
		"a client sends items of another type": {func(c *client) {
			c.send(`{"type":1,"target":"Read","arguments":[],"streamIds":["u"]}`, `{"type":2,"invocationId":"u","item":"x"}`)
		}, "level=DEBUG"},
		"a client does not answer": {func(c *client) {
			c.send(`{"type":1,"target":"Ask","arguments":["caller"]}`)
			c.expect(`{"type":1,"invocationId":"s1","target":"ask","arguments":[]}`)
		}, "level=DEBUG"},
		"a client names another that is not there": {func(c *client) {
			c.send(`{"type":1,"target":"Ask","arguments":["nobody"]}`)
		}, "level=DEBUG"},
		"a client leaves while it connects": {func(c *client) { c.drop() }, "level=DEBUG"},
		"a method fails":                    {func(c *client) { c.send(`{"type":1,"target":"Fail","arguments":[]}`) }, "level=WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				logger, book := newLogbook()
				slow := name == "a client leaves while it connects"
				s := servePipes(t, nil, hubs.WithLogger(logger),
					hubs.WithMethodAuthorization(func(*hubs.Context) error { return errors.New("not you") }, "Secret"),
					hubs.HandleVoid1("Read", func(_ *hubs.Context, items iter.Seq2[int, error]) error {
						for _, err := range items {
							if err != nil {
								return fmt.Errorf("reading: %w", err)
							}
						}
						return nil
					}),
					hubs.HandleVoid1("Ask", func(c *hubs.Context, whom string) error {
						if whom == "caller" {
							whom = c.ConnectionID()
						}
						ctx, cancel := context.WithTimeout(c, time.Second)
						defer cancel()
						_, err := hubs.Invoke[int](ctx, c.Clients().Client(whom), "ask")
						return err
					}),
					hubs.WithOnConnected(func(c *hubs.Context) error {
						if !slow {
							return nil
						}
						<-c.Done()
						return c.Err()
					}),
					hubs.HandleVoid0("Secret", func(*hubs.Context) error { return nil }),
					hubs.HandleVoid0("Fail", func(*hubs.Context) error { return errors.New("out of tea") }),
					hubs.HandleVoid0("Wait", func(c *hubs.Context) error { <-c.Done(); return c.Err() }))
				tt.do(s.connect())
				line := book.expect(t, `msg="a hub method failed"`)
				require.Contains(t, line, tt.level)
			})
		})
	}
}
