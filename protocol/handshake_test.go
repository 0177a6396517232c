package protocol_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

func TestParseHandshake(t *testing.T) {
	t.Parallel()
	tests := []struct {
		wire string
		want protocol.HandshakeRequest
	}{
		{`{"protocol":"json","version":1}`, protocol.HandshakeRequest{Protocol: "json", Version: 1}},
		{`{"version":2,"protocol":"messagepack"}`, protocol.HandshakeRequest{Protocol: "messagepack", Version: 2}},
		{` { "x" : [ {} ] , "protocol":"j\u0073on","version":-1 } `, protocol.HandshakeRequest{Protocol: "json", Version: -1}},
		{`{"protocol":"a","version":0,"protocol":"b","version":3}`, protocol.HandshakeRequest{Protocol: "b", Version: 3}},
		{`{"protocol":"","version":1,"type":6}`, protocol.HandshakeRequest{Version: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.wire, func(t *testing.T) {
			t.Parallel()
			got, err := protocol.ParseHandshake([]byte(tt.wire))
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestParseHandshakeRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ wire, detail string }{
		{``, "Unexpected end when reading JSON."},
		{`{"protocol":"json"`, "Unexpected end when reading JSON."},
		{`{"protocol":"json","version":1}}`, "Error reading JSON."},
		{`{"protocol":json}`, "Error reading JSON."},
		{`[]`, "Unexpected JSON Token Type 'Array'. Expected a JSON Object."},
		{`null`, "Unexpected JSON Token Type 'Null'. Expected a JSON Object."},
		{`{}`, "Missing required property 'protocol'."},
		{`{"version":1}`, "Missing required property 'protocol'."},
		{`{"protocol":"json"}`, "Missing required property 'version'."},
		{`{"protocol":null,"version":1}`, "Expected 'protocol' to be of type String."},
		{`{"protocol":1,"version":1}`, "Expected 'protocol' to be of type String."},
		{`{"protocol":"json","version":null}`, "Expected 'version' to be of type Number."},
		{`{"protocol":"json","version":"1"}`, "Expected 'version' to be of type Number."},
		{`{"protocol":"json","version":1.0}`, "Expected 'version' to be of type Number."},
		{`{"protocol":"json","version":4294967297}`, "Expected 'version' to be of type Number."},
		{"{\"protocol\":\"\xff\",\"version\":1}", "Error reading JSON."},
		{`{"protocol":"\ud800","version":1}`, "Error reading JSON."},
		{`{"protocol":"j","version":1,"x":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `}`, "Error reading JSON."},
	}
	for _, tt := range tests {
		t.Run(tt.wire, func(t *testing.T) {
			t.Parallel()
			_, err := protocol.ParseHandshake([]byte(tt.wire))
			var refused *protocol.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.detail, refused.Detail)
		})
	}
}

// binary is some protocol that needs a binary transport.
type binary struct{ protocol.Protocol }

func (binary) Name() string            { return "messagepack" }
func (binary) Format() protocol.Format { return protocol.Binary }

func TestChoose(t *testing.T) {
	t.Parallel()
	text := protocol.NewJSON()
	both := []protocol.Protocol{text, binary{}}
	tests := []struct {
		name      string
		req       protocol.HandshakeRequest
		supported []protocol.Protocol
		binary    bool
		want      protocol.Protocol
		text      string
	}{
		{"json", protocol.HandshakeRequest{Protocol: "json", Version: 1}, both, false, text, ""},
		{"any case", protocol.HandshakeRequest{Protocol: "JSON", Version: 2}, both, true, text, ""},
		{"version zero", protocol.HandshakeRequest{Protocol: "json"}, both, true, text, ""},
		{"negative version", protocol.HandshakeRequest{Protocol: "json", Version: -5}, both, true, text, ""},
		{"messagepack", protocol.HandshakeRequest{Protocol: "MessagePack", Version: 1}, both, true, binary{}, ""},
		{"unknown", protocol.HandshakeRequest{Protocol: "xml", Version: 1}, both, true, nil,
			"The protocol 'xml' is not supported."},
		{"not supported", protocol.HandshakeRequest{Protocol: "messagepack", Version: 9}, both[:1], true, nil,
			"The protocol 'messagepack' is not supported."},
		{"none supported", protocol.HandshakeRequest{Protocol: "json", Version: 1}, nil, true, nil,
			"The protocol 'json' is not supported."},
		{"too new", protocol.HandshakeRequest{Protocol: "Json", Version: 3}, both, true, nil,
			"The server does not support version 3 of the 'Json' protocol."},
		{"version before format", protocol.HandshakeRequest{Protocol: "messagepack", Version: 3}, both, false, nil,
			"The server does not support version 3 of the 'messagepack' protocol."},
		{"binary on text", protocol.HandshakeRequest{Protocol: "MESSAGEPACK", Version: 1}, both, false, nil,
			"Cannot use the 'messagepack' protocol on the current transport. The transport does not support 'Binary' transfer format."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := protocol.Choose(tt.req, tt.supported, tt.binary)
			if tt.text == "" {
				require.NoError(t, err)
				require.Equal(t, tt.want, got)
				return
			}
			require.Nil(t, got)
			var refused *protocol.HandshakeError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.text, refused.Text)
			require.EqualError(t, err, tt.text)
		})
	}
}

func TestAppendHandshakeResponse(t *testing.T) {
	t.Parallel()
	require.Equal(t, []byte{0x7b, 0x7d, 0x1e}, protocol.AppendHandshakeResponse(nil, ""))
	require.Equal(t, "x{\"error\":\"The protocol '\\\"é\\u001e' is not supported.\"}\x1e",
		string(protocol.AppendHandshakeResponse([]byte("x"), "The protocol '\"é\x1e' is not supported.")))
}
