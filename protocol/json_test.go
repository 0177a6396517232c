package protocol_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

// raws turns encoded values into what Parse returns.
func raws(values ...string) [][]byte {
	var list [][]byte
	for _, v := range values {
		list = append(list, []byte(v))
	}
	return list
}

// jsonGolden are messages and their only spelling by this package (reference 4.1).
var jsonGolden = []struct {
	name string
	wire string
	m    protocol.Message
}{
	{"invocation", `{"type":1,"target":"tick","arguments":[7]}`,
		&protocol.Invocation{Target: "tick", Arguments: raws("7")}},
	{"client result request", `{"type":1,"invocationId":"s1","target":"ask","arguments":[]}`,
		&protocol.Invocation{InvocationID: "s1", Target: "ask"}},
	{"invocation with all", `{"type":1,"headers":{"a":"1","b":""},"invocationId":"x","target":"t","arguments":[null,{"a":[1]}],"streamIds":["1","2"]}`,
		&protocol.Invocation{
			Headers:      map[string]string{"b": "", "a": "1"},
			InvocationID: "x", Target: "t", Arguments: raws("null", `{"a":[1]}`), StreamIDs: []string{"1", "2"},
		}},
	{"item", `{"type":2,"invocationId":"4","item":null}`,
		&protocol.StreamItem{InvocationID: "4", Item: []byte("null")}},
	{"item with headers", `{"type":2,"headers":{"k":"v"},"invocationId":"4","item":{"a":1}}`,
		&protocol.StreamItem{Headers: map[string]string{"k": "v"}, InvocationID: "4", Item: []byte(`{"a":1}`)}},
	{"null result", `{"type":3,"invocationId":"4","result":null}`,
		&protocol.Completion{InvocationID: "4", Result: []byte("null")}},
	{"result", `{"type":3,"invocationId":"4","result":[1,2]}`,
		&protocol.Completion{InvocationID: "4", Result: []byte("[1,2]")}},
	{"end of stream", `{"type":3,"invocationId":"4"}`,
		&protocol.Completion{InvocationID: "4"}},
	{"error", `{"type":3,"invocationId":"4","error":"no"}`,
		&protocol.Completion{InvocationID: "4", Error: "no"}},
	{"stream invocation", `{"type":4,"invocationId":"7","target":"Count","arguments":[10]}`,
		&protocol.Invocation{InvocationID: "7", Target: "Count", Arguments: raws("10"), Stream: true}},
	{"cancel", `{"type":5,"invocationId":"7"}`,
		&protocol.CancelInvocation{InvocationID: "7"}},
	{"cancel with headers", `{"type":5,"headers":{"k":"v"},"invocationId":"7"}`,
		&protocol.CancelInvocation{Headers: map[string]string{"k": "v"}, InvocationID: "7"}},
	{"ping", `{"type":6}`, &protocol.Ping{}},
	{"close", `{"type":7}`, &protocol.Close{}},
	{"close with reconnect", `{"type":7,"allowReconnect":true}`, &protocol.Close{AllowReconnect: true}},
	{"close with error", `{"type":7,"error":"bye","allowReconnect":true}`,
		&protocol.Close{Error: "bye", AllowReconnect: true}},
	{"ack", `{"type":8,"sequenceId":12}`, &protocol.Ack{SequenceID: 12}},
	{"sequence", `{"type":9,"sequenceId":1}`, &protocol.Sequence{SequenceID: 1}},
	{"relaxed escaping", `{"type":7,"error":"é<>&+'\"\\\b\f\n\r\t\u001e\u0000` + "\U0001f600\u007f" + `"}`,
		&protocol.Close{Error: "é<>&+'\"\\\b\f\n\r\t\x1e\x00\U0001f600\x7f"}},
}

func TestJSONGolden(t *testing.T) {
	t.Parallel()
	p := protocol.NewJSON()
	for _, tt := range jsonGolden {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wire, err := p.Append([]byte("before"), tt.m)
			require.NoError(t, err)
			require.Equal(t, "before"+tt.wire+"\x1e", string(wire))

			m, err := p.Parse([]byte(tt.wire))
			require.NoError(t, err)
			require.Equal(t, tt.m, m)
			require.Equal(t, tt.m.Type(), m.Type())
		})
	}
}

// Other spellings that a client may choose (reference 4.2).
func TestJSONParseTolerates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		wire string
		want protocol.Message
	}{
		{"JavaScript's order", `{"target":"Echo","arguments":["x"],"invocationId":"0","type":1}`,
			&protocol.Invocation{InvocationID: "0", Target: "Echo", Arguments: raws(`"x"`)}},
		{"JavaScript's order with streams", `{"arguments":[],"invocationId":"1","streamIds":["0"],"target":"Up","type":1}`,
			&protocol.Invocation{InvocationID: "1", Target: "Up", StreamIDs: []string{"0"}}},
		{"JavaScript's item", `{"invocationId":"0","item":1,"type":2}`,
			&protocol.StreamItem{InvocationID: "0", Item: []byte("1")}},
		{"JavaScript's error", `{"error":"Error: boom","invocationId":"s1","type":3}`,
			&protocol.Completion{InvocationID: "s1", Error: "Error: boom"}},
		{"JavaScript's result", `{"invocationId":"s1","result":null,"type":3}`,
			&protocol.Completion{InvocationID: "s1", Result: []byte("null")}},
		{"item before id", `{"type":2,"item":[1],"invocationId":"3"}`,
			&protocol.StreamItem{InvocationID: "3", Item: []byte("[1]")}},
		{"empty id is absent", `{"type":1,"invocationId":"","target":"t","arguments":[]}`,
			&protocol.Invocation{Target: "t"}},
		{"empty stream ids", `{"type":1,"target":"t","arguments":[],"streamIds":[]}`,
			&protocol.Invocation{Target: "t"}},
		{"empty headers", `{"type":5,"headers":{},"invocationId":"1"}`,
			&protocol.CancelInvocation{InvocationID: "1"}},
		{"unknown properties", `{"x":{"type":9,"y":[{}]},"type":6,"Type":1,"z":null}`, &protocol.Ping{}},
		{"last duplicate wins", `{"type":3,"type":1,"target":"a","arguments":[1,2],"target":"b","arguments":[3]}`,
			&protocol.Invocation{Target: "b", Arguments: raws("3")}},
		{"a duplicate mends the first", `{"type":1,"target":null,"arguments":5,"target":"b","arguments":[]}`,
			&protocol.Invocation{Target: "b"}},
		{"duplicate headers", `{"type":5,"headers":{"a":"1","a":"2"},"invocationId":"1"}`,
			&protocol.CancelInvocation{Headers: map[string]string{"a": "2"}, InvocationID: "1"}},
		{"escaped names", `{"t\u0079pe":5,"invocation\u0049d":"1"}`, &protocol.CancelInvocation{InvocationID: "1"}},
		{"escapes", `{"type":7,"error":"\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\ude00"}`,
			&protocol.Close{Error: "\"\\/\b\f\n\r\té€\U0001f600"}},
		{"white space", " \t\r\n{ \"type\" : 1 , \"target\":\t\"t\" , \"arguments\" : [ 1 ,\n[ 2 , { \"a\" : 3 } ] ] } ",
			&protocol.Invocation{Target: "t", Arguments: raws("1", `[ 2 , { "a" : 3 } ]`)}},
		{"empty error", `{"type":3,"invocationId":"1","error":""}`, &protocol.Completion{InvocationID: "1"}},
		{"close without reconnect", `{"type":7,"allowReconnect":false}`, &protocol.Close{}},
		{"negative sequence id", `{"type":8,"sequenceId":-1}`, &protocol.Ack{SequenceID: -1}},
		{"largest sequence id", `{"type":9,"sequenceId":9223372036854775807}`,
			&protocol.Sequence{SequenceID: 9223372036854775807}},
		{"more arguments than usual", `{"type":1,"target":"t","arguments":[0,1,2,3,4,5,6,7,8,9]}`,
			&protocol.Invocation{Target: "t", Arguments: raws("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")}},
		{"nulls for what may be absent", `{"type":1,"headers":null,"invocationId":null,"target":"t","arguments": null ,"streamIds":null,"error":null}`,
			&protocol.Invocation{Target: "t"}},
		{"null after arguments", `{"type":1,"target":"t","arguments":[1],"arguments":null}`, &protocol.Invocation{Target: "t"}},
		{"nulls in a stream invocation", `{"type":4,"headers":null,"invocationId":"1","target":"t","arguments":null,"streamIds":null}`,
			&protocol.Invocation{InvocationID: "1", Target: "t", Stream: true}},
		{"nulls in an item", `{"type":2,"headers":null,"invocationId":"1","item":null,"error":null}`,
			&protocol.StreamItem{InvocationID: "1", Item: []byte("null")}},
		{"null error beside a result", `{"type":3,"headers":null,"invocationId":"1","error":null,"result":null}`,
			&protocol.Completion{InvocationID: "1", Result: []byte("null")}},
		{"null error", `{"type":3,"invocationId":"1","error":null}`, &protocol.Completion{InvocationID: "1"}},
		{"null headers of a cancellation", `{"type":5,"headers":null,"invocationId":"1"}`, &protocol.CancelInvocation{InvocationID: "1"}},
		{"nulls in a ping", `{"type":6,"headers":null,"invocationId":null,"arguments":null,"streamIds":null,"error":null}`, &protocol.Ping{}},
		{"null in a close", `{"type":7,"error":null,"allowReconnect":true}`, &protocol.Close{AllowReconnect: true}},
		{"unknown type", `{"type":10,"target":{},"arguments":null}`, &protocol.Unknown{Kind: 10}},
		{"unknown negative type", `{"type":-1}`, &protocol.Unknown{Kind: -1}},
		{"unknown type zero", `{"type":0}`, &protocol.Unknown{}},
	}
	p := protocol.NewJSON()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := p.Parse([]byte(tt.wire))
			require.NoError(t, err)
			require.Equal(t, tt.want, m)
			require.Equal(t, tt.want.Type(), m.Type())
		})
	}
}

func TestJSONParseRefuses(t *testing.T) {
	t.Parallel()
	const (
		reading = "Error reading JSON."
		end     = "Unexpected end when reading JSON."
	)
	missing := func(name string) string { return "Missing required property '" + name + "'." }
	expected := func(name, kind string) string { return "Expected '" + name + "' to be of type " + kind + "." }
	exclusive := "The 'error' and 'result' properties are mutually exclusive."
	notObject := func(kind string) string {
		return "Unexpected JSON Token Type '" + kind + "'. Expected a JSON Object."
	}
	tests := []struct{ wire, detail string }{
		{``, end},
		{` `, end},
		{`{`, end},
		{`{"type"`, end},
		{`{"type":`, end},
		{`{"type":6`, end},
		{`{"type":6,`, end},
		{`{"type":6,"a":"\`, end},
		{`{"type":6,"a":"\u00`, end},
		{`{"type":6,"a":tru`, end},
		{`{"type":6,"a":[`, end},
		{`{"type":6,"a":-`, end},
		{`{"type":6,"a":1.`, end},
		{`{"type":6,"a":1e`, end},
		{`[]`, notObject("Array")},
		{`"x"`, notObject("String")},
		{`1`, notObject("Number")},
		{`true`, notObject("True")},
		{`false`, notObject("False")},
		{`null`, notObject("Null")},
		{`x`, reading},
		{"\xef\xbb\xbf{}", reading},
		{`{"type":6}x`, reading},
		{`{"type":6}{}`, reading},
		{`{"type":6,}`, reading},
		{`{,"type":6}`, reading},
		{`{"type":6 "a":1}`, reading},
		{`{"type" 6}`, reading},
		{`{type:6}`, reading},
		{`{'type':6}`, reading},
		{`{"type":6/**/}`, reading},
		{`{"type":6]`, reading},
		{`{"type":6,"a":[1,]}`, reading},
		{`{"type":6,"a":[,1]}`, reading},
		{`{"type":6,"a":[1 2]}`, reading},
		{`{"type":6,"a":[1}`, reading},
		{`{"type":6,"a":{1:2}}`, reading},
		{`{"type":6,"a":{"b"}}`, reading},
		{`{"type":6,"a":{"b":1,}}`, reading},
		{`{"type":6,"a":{"b":1]}`, reading},
		{`{"type":6,"a":{"b":1,2}}`, reading},
		{`{"type":6,"a":01}`, reading},
		{`{"type":6,"a":+1}`, reading},
		{`{"type":6,"a":.5}`, reading},
		{`{"type":6,"a":1.}`, reading},
		{`{"type":6,"a":1e+}`, reading},
		{`{"type":6,"a":NaN}`, reading},
		{`{"type":6,"a":nul}`, reading},
		{`{"type":6,"a":True}`, reading},
		{`{"type":6,"a":"\x"}`, reading},
		{`{"type":6,"a":"\u12g4"}`, reading},
		{"{\"type\":6,\"a\":\"\n\"}", reading},
		{"{\"type\":6,\"a\":\"\x1f\"}", reading},
		{"{\"type\":6,\"a\x00\":1}", reading},
		{"{\"type\":6\x00}", reading},
		{`{"type":1,"target":"t","arguments":[1,]}`, reading},
		{`{"type":1,"target":"t","arguments":[01]}`, reading},

		{`{}`, missing("type")},
		{`{"Type":6}`, missing("type")},
		{`{"type":null}`, expected("type", "Number")},
		{`{"type":"6"}`, expected("type", "Number")},
		{`{"type":6.0}`, expected("type", "Number")},
		{`{"type":6e0}`, expected("type", "Number")},
		{`{"type":99999999999}`, expected("type", "Number")},

		{`{"type":1,"arguments":[]}`, missing("target")},
		{`{"type":1,"target":"","arguments":[]}`, missing("target")},
		{`{"type":1,"target":null,"arguments":[]}`, expected("target", "String")},
		{`{"type":1,"target":5,"arguments":[]}`, expected("target", "String")},
		{`{"type":1,"target":"t"}`, missing("arguments")},
		{`{"type":1,"target":"t","arguments":{}}`, expected("arguments", "Array")},
		{`{"type":1,"target":"t","arguments":"[]"}`, expected("arguments", "Array")},
		{`{"type":1,"target":"t","arguments":[],"invocationId":1}`, expected("invocationId", "String")},
		{`{"type":1,"target":"t","arguments":[],"streamIds":"1"}`, expected("streamIds", "Array")},
		{`{"type":1,"target":"t","arguments":[],"streamIds":[1]}`, expected("streamIds", "String")},
		{`{"type":1,"target":"t","arguments":[],"streamIds":["1",null]}`, expected("streamIds", "String")},
		{`{"type":1,"target":"t","arguments":[],"headers":[]}`, expected("headers", "Object")},
		{`{"type":1,"target":"t","arguments":[],"headers":{"a":1}}`, "Expected header 'a' to be of type String."},
		{`{"type":1,"target":"t","arguments":[],"headers":{"a":null}}`, "Expected header 'a' to be of type String."},
		{`{"type":2,"item":1}`, missing("invocationId")},
		{`{"type":2,"invocationId":"","item":1}`, missing("invocationId")},
		{`{"type":2,"invocationId":"1"}`, missing("item")},
		{`{"type":3}`, missing("invocationId")},
		{`{"type":3,"invocationId":"1","error":{}}`, expected("error", "String")},
		{`{"type":3,"invocationId":"1","error":"e","result":1}`, exclusive},
		{`{"type":3,"invocationId":"1","error":"","result":null}`, exclusive},
		{`{"type":4,"target":"t","arguments":[]}`, missing("invocationId")},
		{`{"type":4,"invocationId":"1","arguments":[]}`, missing("target")},
		{`{"type":4,"invocationId":"1","target":"t"}`, missing("arguments")},
		{`{"type":5}`, missing("invocationId")},
		{`{"type":7,"allowReconnect":null}`, expected("allowReconnect", "Boolean")},
		{`{"type":7,"allowReconnect":1}`, expected("allowReconnect", "Boolean")},
		{`{"type":8}`, missing("sequenceId")},
		{`{"type":9}`, missing("sequenceId")},
		{`{"type":4,"invocationId":null,"target":"t","arguments":null}`, missing("invocationId")},
		{`{"type":2,"invocationId":null,"item":1}`, missing("invocationId")},
		{`{"type":5,"invocationId":null}`, missing("invocationId")},
		{`{"type":8,"sequenceId":null}`, expected("sequenceId", "Number")},
		{`{"type":8,"sequenceId":"1"}`, expected("sequenceId", "Number")},
		{`{"type":8,"sequenceId":1.5}`, expected("sequenceId", "Number")},
		{`{"type":8,"sequenceId":1e3}`, expected("sequenceId", "Number")},
		{`{"type":9,"sequenceId":9223372036854775808}`, expected("sequenceId", "Number")},

		{"{\"type\":1,\"target\":\"\xff\",\"arguments\":[]}", reading},
		{"{\"type\":5,\"invocationId\":\"a\xc3\"}", reading},
		{"{\"type\":7,\"error\":\"\\n\xff\"}", reading},
		{"{\"type\":3,\"invocationId\":\"1\",\"error\":\"\xff\"}", reading},
		{`{"type":7,"error":"\ud83d"}`, reading},
		{`{"type":7,"error":"\ude00\ud83d"}`, reading},
		{`{"type":7,"error":"\ud83dx"}`, reading},
		{`{"type":7,"error":"\ud83d\n"}`, reading},
		{"{\"type\":5,\"invocationId\":\"1\",\"headers\":{\"a\":\"\xff\"}}", reading},
		{"{\"type\":5,\"invocationId\":\"1\",\"headers\":{\"\xff\":\"a\"}}", reading},
		{`{"type":5,"invocationId":"1","headers":{"\udc00":"a"}}`, reading},
		{"{\"type\":1,\"target\":\"t\",\"arguments\":[],\"streamIds\":[\"\xff\"]}", reading},
	}
	p := protocol.NewJSON()
	for _, tt := range tests {
		t.Run(tt.wire, func(t *testing.T) {
			t.Parallel()
			m, err := p.Parse([]byte(tt.wire))
			require.Nil(t, m)
			var refused *protocol.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.detail, refused.Detail)
			require.EqualError(t, err, tt.detail)
		})
	}
}

func TestJSONParseBoundsDepth(t *testing.T) {
	t.Parallel()
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	objects := func(n int) string { return strings.Repeat(`{"a":`, n) + "0" + strings.Repeat("}", n) }
	mixed := func(n int) string { return strings.Repeat(`[{"a":`, n/2) + "0" + strings.Repeat("}]", n/2) }
	envelopes := []string{
		`{"type":1,"target":"t","arguments":[0,$]}`,
		`{"type":2,"invocationId":"1","item":$}`,
		`{"type":3,"invocationId":"1","result":$}`,
		`{"type":6,"unknown":$}`,
	}
	p := protocol.NewJSON()
	for _, envelope := range envelopes {
		for _, value := range []func(int) string{nested, objects, mixed} {
			_, err := p.Parse([]byte(strings.Replace(envelope, "$", value(64), 1)))
			require.NoError(t, err)
			_, err = p.Parse([]byte(strings.Replace(envelope, "$", value(66), 1)))
			require.EqualError(t, err, "Error reading JSON.")
		}
		_, err := p.Parse([]byte(strings.Replace(envelope, "$", nested(65), 1)))
		require.EqualError(t, err, "Error reading JSON.")
	}
}

// Who holds a value may append to it without writing into its neighbours.
func TestJSONRawValuesEndWithTheirCapacity(t *testing.T) {
	t.Parallel()
	frame := []byte(`{"type":1,"target":"t","arguments":["a","b"]}`)
	before := string(frame)
	m, err := protocol.NewJSON().Parse(frame)
	require.NoError(t, err)
	for _, raw := range m.(*protocol.Invocation).Arguments {
		require.Len(t, raw, cap(raw))
		_ = append(raw, "overwritten"...)
	}
	require.Equal(t, before, string(frame))
}

type foreign struct{}

func (foreign) Type() protocol.Type { return protocol.TypePing }

var unwritable = []struct {
	name string
	m    protocol.Message
}{
	{"no target", &protocol.Invocation{}},
	{"stream without id", &protocol.Invocation{Target: "t", Stream: true}},
	{"item without id", &protocol.StreamItem{}},
	{"completion without id", &protocol.Completion{}},
	{"cancel without id", &protocol.CancelInvocation{}},
	{"result and error", &protocol.Completion{InvocationID: "1", Error: "e", Result: []byte("null")}},
	{"unknown", &protocol.Unknown{Kind: 10}},
	{"foreign", foreign{}},
	{"nil", nil},
}

func TestJSONAppendRefuses(t *testing.T) {
	t.Parallel()
	p := protocol.NewJSON()
	for _, tt := range unwritable {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dst, err := p.Append([]byte("before"), tt.m)
			require.Error(t, err)
			require.Equal(t, "before", string(dst))
		})
	}
}

func TestJSONAppendNilValuesAsNull(t *testing.T) {
	t.Parallel()
	p := protocol.NewJSON()
	wire, err := p.Append(nil, &protocol.Invocation{Target: "t", Arguments: [][]byte{nil}})
	require.NoError(t, err)
	require.Equal(t, `{"type":1,"target":"t","arguments":[null]}`+"\x1e", string(wire))
	wire, err = p.Append(nil, &protocol.StreamItem{InvocationID: "1"})
	require.NoError(t, err)
	require.Equal(t, `{"type":2,"invocationId":"1","item":null}`+"\x1e", string(wire))
}

// Strings from Go code may hold anything; the wire stays UTF-8 and one record.
func TestJSONAppendReplacesInvalidUTF8(t *testing.T) {
	t.Parallel()
	p := protocol.NewJSON()
	wire, err := p.Append(nil, &protocol.Close{Error: "a\xffb\x1e"})
	require.NoError(t, err)
	require.True(t, json.Valid(wire[:len(wire)-1]))
	require.Equal(t, len(wire)-1, strings.IndexByte(string(wire), protocol.RecordSeparator))
	m, err := p.Parse(wire[:len(wire)-1])
	require.NoError(t, err)
	require.Equal(t, &protocol.Close{Error: "a\ufffdb\x1e"}, m)
}

func TestJSONNames(t *testing.T) {
	t.Parallel()
	p := protocol.NewJSON()
	require.Equal(t, "json", p.Name())
	require.Equal(t, protocol.Text, p.Format())
	require.Equal(t, "Text", protocol.Text.String())
	require.Equal(t, "Binary", protocol.Binary.String())
	require.Equal(t, "Format(0)", protocol.Format(0).String())
}
