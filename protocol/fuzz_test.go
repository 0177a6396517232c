package protocol_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

// values returns all raw values of a message.
func values(m protocol.Message) [][]byte {
	switch m := m.(type) {
	case *protocol.Invocation:
		return m.Arguments
	case *protocol.StreamItem:
		return [][]byte{m.Item}
	case *protocol.Completion:
		if m.Result != nil {
			return [][]byte{m.Result}
		}
	}
	return nil
}

// requireRoundTrip writes what was read and reads it again.
func requireRoundTrip(t *testing.T, p protocol.Protocol, m protocol.Message) {
	t.Helper()
	if _, ok := m.(*protocol.Unknown); ok {
		return
	}
	wire, err := p.Append(nil, m)
	require.NoError(t, err)
	frame, rest, err := p.Split(wire, len(wire))
	require.NoError(t, err)
	require.Empty(t, rest)
	again, err := p.Parse(frame)
	require.NoError(t, err)
	require.Equal(t, m, again)
}

func FuzzJSONParse(f *testing.F) {
	for _, tt := range jsonGolden {
		f.Add([]byte(tt.wire))
	}
	for _, wire := range []string{
		`{"target":"Echo","arguments":["x",1.5e-3,true,[{}]],"invocationId":"0","type":1}`,
		`{"type":3,"invocationId":"\ud83d\ude00","result":{"a":[null,false]},"x":"\u001e"}`,
		`{"type":7,"error":"\ud800"}`, `{"type":10}`, `[]`, "{\"type\":7,\"error\":\"\xff\"}",
	} {
		f.Add([]byte(wire))
	}
	p := protocol.NewJSON()
	f.Fuzz(func(t *testing.T, frame []byte) {
		before := bytes.Clone(frame)
		m, err := p.Parse(frame)
		require.Equal(t, before, frame)
		if err != nil {
			var refused *protocol.Error
			require.ErrorAs(t, err, &refused)
			return
		}
		require.True(t, json.Valid(frame))
		for _, raw := range values(m) {
			require.True(t, json.Valid(raw))
			require.NotContains(t, " \t\r\n", string(raw[:1]))
			var want, got any
			require.Equal(t, json.Unmarshal(raw, &want), p.Unmarshal(raw, &got))
			require.Equal(t, want, floats(got))
		}
		if in, ok := m.(*protocol.Invocation); ok {
			require.True(t, utf8.ValidString(in.Target))
			require.True(t, utf8.ValidString(in.InvocationID))
		}
		if !bytes.ContainsRune(frame, protocol.RecordSeparator) {
			requireRoundTrip(t, p, m)
		}
	})
}

// depth returns how deep a valid JSON text nests.
func depth(text []byte) int {
	d := json.NewDecoder(bytes.NewReader(text))
	open, deepest := 0, 0
	for {
		token, err := d.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('['), json.Delim('{'):
			open++
			deepest = max(deepest, open)
		case json.Delim(']'), json.Delim('}'):
			open--
		}
	}
}

// A value is accepted if and only if encoding/json finds it valid, it is valid
// UTF-8 and it is not too deep.
func FuzzJSONValue(f *testing.F) {
	for _, value := range []string{`1`, `-0.5e+7`, `"\u00e9\/"`, `[1,{"a":[]},null]`, `{"":{}}`, `01`, `"`, `[1,]`, "\"\xff\""} {
		f.Add([]byte(value))
	}
	p := protocol.NewJSON()
	f.Fuzz(func(t *testing.T, value []byte) {
		frame := append([]byte(`{"type":2,"invocationId":"1","item":`), value...)
		frame = append(frame, '}')
		m, err := p.Parse(frame)
		if json.Valid(value) {
			require.Equal(t, utf8.Valid(value) && depth(value) <= 64, err == nil)
		}
		if err == nil {
			require.True(t, json.Valid(frame))
			requireRoundTrip(t, p, m)
		}
	})
}

// What encoding/json takes is read as it reads it, and what it refuses may only be read
// if it takes some other form of it.
func FuzzJSONUnmarshal(f *testing.F) {
	for _, value := range []string{
		`{"at":"2026-11-28","Pointer":"2026-11-28T10:00","List":["2026-11-28T10:00:00.5"],"Deep":[{"a":{"AT":"2026-11-28T10:00:00\u002B02:00"}}],"count":5.0}`,
		`{"count":1e2,"Pointer":-0.0,"List":[10e-1,127],"Map":{"a":1.5e1},"Inner":{"deep":[[1.0]]}}`,
		`{"any":18446744073709551615,"list":[1,{"a":-1}],"map":{"a":[1e400]},"Deep":[{"M":{"a":[null,5.0]}}],"Inner":9007199254740993}`,
		`[5.0]`, `null`, `"2026-11-28"`, `{"at":5.0}`,
	} {
		f.Add([]byte(value))
	}
	p := protocol.NewJSON()
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, target := range []func() any{
			func() any { return new(dated) }, func() any { return new(counted[int8]) }, func() any { return new(counted[uint64]) },
			func() any { return new(loose) }, func() any { return new(time.Time) }, func() any { return new([]int) },
		} {
			want, got := target(), target()
			before := bytes.Clone(value)
			wantErr, gotErr := json.Unmarshal(value, want), p.Unmarshal(value, got)
			require.Equal(t, before, value)
			if wantErr != nil {
				var syntax *json.SyntaxError
				require.False(t, errors.As(wantErr, &syntax) && gotErr == nil)
				continue
			}
			require.NoError(t, gotErr)
			if _, ok := got.(*loose); !ok {
				require.Equal(t, want, got)
			}
		}
	})
}

func FuzzHandshake(f *testing.F) {
	for _, wire := range []string{
		`{"protocol":"json","version":1}`, `{"version":2,"protocol":"messagepack","x":[{}]}`, `{}`, `[`,
		`{"protocol":"\ud83d\ude00","version":-0}`,
	} {
		f.Add([]byte(wire))
	}
	supported := []protocol.Protocol{protocol.NewJSON(), binary{}}
	f.Fuzz(func(t *testing.T, frame []byte) {
		req, err := protocol.ParseHandshake(frame)
		if err != nil {
			var refused *protocol.Error
			require.ErrorAs(t, err, &refused)
			return
		}
		require.True(t, json.Valid(frame))
		_, err = protocol.Choose(req, supported, false)
		text := ""
		if err != nil {
			var refused *protocol.HandshakeError
			require.ErrorAs(t, err, &refused)
			text = refused.Text
		}
		response := protocol.AppendHandshakeResponse(nil, text)
		require.Equal(t, len(response)-1, bytes.IndexByte(response, protocol.RecordSeparator))
		var decoded struct{ Error string }
		require.NoError(t, json.Unmarshal(response[:len(response)-1], &decoded))
		require.Equal(t, text, decoded.Error)
	})
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("{}\x1e{\"type\":6}\x1e"), 5, 16)
	f.Add([]byte("\x02\x91\x06\x80\x01"), 2, 0)
	f.Add([]byte("\xff\xff\xff\xff\x07\x00\x1e"), 1, -1)
	f.Add([]byte("\xff\xff\xff\xff0"), 3, 2)
	f.Fuzz(func(t *testing.T, data []byte, cut, limit int) {
		if cut < 0 || cut > len(data) {
			cut = len(data)
		}
		for _, split := range []splitter{protocol.NewJSON().Split, protocol.NewMessagePack().Split} {
			whole, wholeErr := splitAll(t, split, data, limit)
			// The same bytes in two chunks make the same messages.
			first, firstErr := splitAll(t, split, data[:cut], limit)
			require.LessOrEqual(t, len(first), len(whole))
			for i, frame := range first {
				require.Equal(t, whole[i], frame)
			}
			if firstErr != nil {
				require.Equal(t, wholeErr, firstErr)
			}
		}
	})
}

// splitAll cuts all whole messages off data.
func splitAll(t *testing.T, split splitter, data []byte, limit int) ([][]byte, error) {
	t.Helper()
	var frames [][]byte
	for {
		frame, rest, err := split(data, limit)
		if err != nil {
			var (
				size    *protocol.SizeError
				refused *protocol.Error
			)
			require.True(t, errors.As(err, &size) || errors.As(err, &refused))
			return frames, err
		}
		if frame == nil {
			require.Equal(t, len(data), len(rest))
			require.True(t, limit <= 0 || len(data) <= limit)
			return frames, nil
		}
		require.Less(t, len(rest), len(data))
		require.True(t, limit <= 0 || len(data)-len(rest) <= limit)
		frames = append(frames, frame)
		data = rest
	}
}

func FuzzMessagePackParse(f *testing.F) {
	p := protocol.NewMessagePack()
	for _, tt := range msgpackGolden {
		frame, _, err := p.Split(unhex(f, tt.wire), 0)
		require.NoError(f, err)
		f.Add(frame)
	}
	for _, wire := range []string{
		"92 07 c0", "95 01 80 a1 30 a1 74 91 82 a1 61 d6 ff 38 6d 43 80 01 c4 01 00", "98 01 80 c0 a1 74 90 90 81 a1 61 90 c3",
		"dd ff ff ff ff 06", "93 0a 80 c0", "93 05 81 a1 6b a1 76 a1 34",
	} {
		f.Add(unhex(f, wire))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		before := bytes.Clone(frame)
		m, err := p.Parse(frame)
		require.Equal(t, before, frame)
		if err != nil {
			var refused *protocol.Error
			require.ErrorAs(t, err, &refused)
			return
		}
		for _, raw := range values(m) {
			var kept protocol.Raw
			if p.Unmarshal(raw, &kept) == nil {
				require.NoError(t, decodable(raw))
				require.Equal(t, raw, msgpackOf(t, kept))
			}
		}
		requireRoundTrip(t, p, m)
	})
}

// everything has a member of each kind of type.
type everything struct {
	Any     any
	Bool    bool
	Int8    int8
	Uint    uint
	F32     float32
	F64     float64
	String  string
	Bytes   []byte
	Fixed   [2]byte
	Array   [2]int
	List    []everything
	Map     map[string]any
	Numbers map[int]everything
	IDs     map[uuid]uuid
	Pointer *everything
	Time    time.Time
	Offset  offset
	Quoted  *int64 `json:",string"`
	Arrayed []arrayed
	Binary  uuidOfBin
	Raw     protocol.Raw
	Outer
}

func FuzzMessagePackUnmarshal(f *testing.F) {
	p := protocol.NewMessagePack()
	at := time.Unix(-1, 5)
	for _, v := range []any{
		everything{Any: []any{1, "a", at, []byte{1}, map[string]any{"a": nil}}, Pointer: &everything{}, Time: at},
		everything{List: []everything{{}}, Numbers: map[int]everything{1: {}}, IDs: map[uuid]uuid{{1}: {2}}},
		[]any{1.5, -70000, true}, "text",
	} {
		raw, err := p.AppendValue(nil, v)
		require.NoError(f, err)
		f.Add(raw)
	}
	for _, wire := range []string{"dd ff ff ff ff", "df 7f ff ff ff 01", "c9 ff ff ff ff 05", "d7 ff ff ff ff ff ff ff ff ff", "c1"} {
		f.Add(unhex(f, wire))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		for _, target := range []any{new(any), new(everything), new([]everything), new(string), new(int), new(map[string]string)} {
			err := p.Unmarshal(raw, target)
			require.Equal(t, before, raw)
			if err != nil {
				continue
			}
			// What was read can be written, and that is read as the same again.
			first, err := p.AppendValue(nil, target)
			if err != nil && (strings.Contains(err.Error(), "__proto__") || strings.Contains(err.Error(), "too deep")) {
				continue // members that were not there nest deeper
			}
			require.NoError(t, err)
			require.NoError(t, decodable(first))
			again := newOf(elemOf(target))
			require.NoError(t, p.Unmarshal(first, again))
			second, err := p.AppendValue(nil, again)
			require.NoError(t, err)
			require.Equal(t, first, second)
		}
	})
}
