package hubs_test

import (
	"errors"
	"testing"
	"testing/synctest"

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
		"a client closes":          {func(c *client) { c.send(wait, `{"type":7}`) }, "level=DEBUG"},
		"a client cancels":         {func(c *client) { c.send(wait, `{"type":5,"invocationId":"1"}`) }, "level=DEBUG"},
		"a call is not authorized": {func(c *client) { c.send(`{"type":1,"target":"Secret","arguments":[]}`) }, "level=DEBUG"},
		"a method fails":           {func(c *client) { c.send(`{"type":1,"target":"Fail","arguments":[]}`) }, "level=WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				logger, book := newLogbook()
				s := servePipes(t, nil, hubs.WithLogger(logger),
					hubs.WithMethodAuthorization(func(*hubs.Context) error { return errors.New("not you") }, "Secret"),
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
