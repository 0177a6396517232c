package transports_test

import (
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// sendPieces sends a message in fragments.
func (c *socket) sendPieces(kind int, pieces ...string) {
	c.t.Helper()
	w, err := c.NextWriter(kind)
	require.NoError(c.t, err)
	for _, piece := range pieces {
		_, err = w.Write([]byte(piece))
		require.NoError(c.t, err)
	}
	require.NoError(c.t, w.Close())
}

func TestRawConnSendsTextOnlyAsText(t *testing.T) {
	t.Parallel()
	for name, binary := range map[string]bool{"text": false, "binary": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
				c.Connection().SetBinary(binary)
				_, err := io.Copy(c, c)
				return err
			})).dial("")
			for _, data := range []string{"a", "é😀", "\xff\xfea", "b", "\xc3", "\xed\xa0\x80", "c"} {
				require.NoError(t, c.WriteMessage(websocket.BinaryMessage, []byte(data)))
				kind, got, err := c.next()
				require.NoError(t, err)
				require.Equal(t, data, got)
				require.Equal(t, !binary && utf8.ValidString(data), kind == websocket.TextMessage, "%q", data)
			}

			long := strings.Repeat("я\xff", 100_000)
			sent := make(chan error, 1)
			go func() { sent <- c.WriteMessage(websocket.BinaryMessage, []byte(long)) }()
			for got := ""; got != long; {
				kind, piece, err := c.next()
				require.NoError(t, err)
				require.True(t, kind == websocket.BinaryMessage || utf8.ValidString(piece))
				got += piece
				require.True(t, strings.HasPrefix(long, got), "what comes back is what was sent")
			}
			require.NoError(t, await.Receive(t, sent, "the long message to be sent"))
		})
	}
}

// What the client ends a text with, or splits it into, does not matter.
func TestInvalidTextIsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("я", 100_000)
	for name, pieces := range map[string][]string{
		"short":           {"a\xff"},
		"unfinished":      {"a\xc3"},
		"surrogate":       {"\xed\xa0\x80"},
		"in fragments":    {"a\xc3", "b"},
		"long":            {long, "\xff", long},
		"long unfinished": {long, "\xf0\x9f"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read, late := make(chan string, 1), make(chan error, 1)
			s := serve(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
				all, err := io.ReadAll(c)
				_, lateErr := io.WriteString(c, "late") // behind the closing frame
				late <- lateErr
				read <- string(all)
				return err
			}))
			c := s.dial("")
			c.sendPieces(websocket.TextMessage, "é")
			c.sendPieces(websocket.TextMessage, pieces...)
			c.expectClosed(websocket.CloseInvalidFramePayloadData)
			require.ErrorIs(t, await.Receive(t, late, "a late write"), transports.ErrClosed)
			got := await.Receive(t, read, "the end of the input")
			require.True(t, strings.HasPrefix("é"+strings.Join(pieces, ""), got))
			require.NotContains(t, got, "\xff", "what is not text reaches nobody")
			await.Done(t, s.Empty(), "the connection to end")
			require.EqualValues(t, 1, s.Stats().Ended["connection_lost"])
		})
	}
}

func TestTextInFragmentsAndBinaryAreTaken(t *testing.T) {
	t.Parallel()
	c := serve(t, echo).dial("")
	receive := func(want string) {
		t.Helper()
		for got := ""; got != want; {
			_, piece, err := c.next()
			require.NoError(t, err)
			got += piece
			require.True(t, strings.HasPrefix(want, got), "%q", got)
		}
	}
	c.sendPieces(websocket.TextMessage, "a\xc3", "\xa9\xf0\x9f", "\x98\x80b", "")
	receive("aé😀b")
	c.sendPieces(websocket.BinaryMessage, "\xff\xc3")
	receive("\xff\xc3")
	c.sendPieces(websocket.TextMessage, "\xc3", "\xa9")
	receive("é")
}

// A client that does not answer the closing frame does not keep its connection.
func TestInvalidTextOfAClientThatStays(t *testing.T) {
	t.Parallel()
	s := serve(t, echo, transports.WithCloseTimeout(sweep))
	c := s.dial("")
	c.sendPieces(websocket.TextMessage, "\xff")
	await.Done(t, s.Empty(), "the connection to end")
	c.expectClosed(websocket.CloseInvalidFramePayloadData)
}
