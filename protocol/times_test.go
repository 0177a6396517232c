package protocol_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

// dated holds times in all positions.
type dated struct {
	At      time.Time `json:"at"`
	Pointer *time.Time
	List    []time.Time
	Pairs   [2]time.Time
	Map     map[string]time.Time
	Deep    []map[string]*dated
	Count   int
}

// allTimes returns the times of d, which must be the same.
func (d dated) allTimes() []time.Time {
	times := append([]time.Time{d.At, *d.Pointer, d.Pairs[0], d.Pairs[1], d.Map["a"]}, d.List...)
	for _, m := range d.Deep {
		for _, inner := range m {
			times = append(times, inner.At)
		}
	}
	return times
}

func TestJSONReadsTimesOfOthers(t *testing.T) {
	t.Parallel()
	p := protocol.NewJSON()
	for text, want := range map[string]string{
		`"2026-11-28"`:                       "2026-11-28T00:00:00Z",
		`"2026-11-28T10:05"`:                 "2026-11-28T10:05:00Z",
		`"2026-11-28T10:05Z"`:                "2026-11-28T10:05:00Z",
		`"2026-11-28T10:05+02:00"`:           "2026-11-28T08:05:00Z",
		`"2026-11-28T10:05-03:30"`:           "2026-11-28T13:35:00Z",
		`"2026-11-28T10:05:06"`:              "2026-11-28T10:05:06Z",
		`"2026-11-28T10:05:06.1234567"`:      "2026-11-28T10:05:06.1234567Z",
		`"2026-11-28T10:05:06.5+02:00"`:      "2026-11-28T08:05:06.5Z",
		`"2026-11-28T10:05:06Z"`:             "2026-11-28T10:05:06Z",
		`"2026-11-28T10:05:06\u002B02:00"`:   "2026-11-28T08:05:06Z",
		`"0001-01-01T00:00:00"`:              "0001-01-01T00:00:00Z",
		`"9999-12-31T23:59:59.9999999"`:      "9999-12-31T23:59:59.9999999Z",
		`"1969-12-31T23:59:59.9999999"`:      "1969-12-31T23:59:59.9999999Z",
		`"2024-02-29"`:                       "2024-02-29T00:00:00Z",
		`"2026-11-28T10:05:06.123456789012"`: "2026-11-28T10:05:06.123456789Z",
	} {
		var got time.Time
		require.NoError(t, p.Unmarshal([]byte(text), &got), text)
		require.Equal(t, want, got.UTC().Format(time.RFC3339Nano), text)

		var all dated
		value := `{"AT":` + text + `,"Pointer":` + text + `,"List":[` + text + `,` + text + `],"Pairs":[` + text + `,` + text +
			`],"Map":{"a":` + text + `},"Deep":[{"x":{"at":` + text + `}}],"more":[` + text + `],"Count":3.0}`
		require.NoError(t, p.Unmarshal([]byte(value), &all), text)
		require.Equal(t, 3, all.Count)
		for _, at := range all.allTimes() {
			require.True(t, got.Equal(at), "%s is %v", text, at)
		}
	}
	for _, text := range []string{
		`"2026-11-28T10:00:00+0200"`, `"2026-11-28T10:00:00+010000"`, `"2026-11-28Z"`, `"2026-11-28+02:00"`, `"2026-11-28T"`, `"2026-11-28T10"`,
		`"2026-02-30"`, `"2026-13-01T00:00:00"`, `"2026-11-28T24:00:00"`, `"2026-11-28T1:00:00"`, `"2026-11-28 10:00:00"`, `"2026-11-28t10:00:00z"`,
		`"26-11-28"`, `"2026-1-28"`, `"2026-11-28T10:00:00,5"`, `""`, `"Z"`, `1`, `true`, `[]`, `"2026-11-28T10:00:00+25:00"`, `"\ud800"`,
	} {
		require.Error(t, p.Unmarshal([]byte(text), new(time.Time)), text)
		require.Error(t, p.Unmarshal([]byte(`{"at":`+text+`}`), new(dated)), text)
	}
}

// Times are times only where the type says so.
func TestJSONLeavesOtherTextsAlone(t *testing.T) {
	t.Parallel()
	var v struct {
		Text  string
		Raw   json.RawMessage
		Any   any
		Named named
		At    time.Time
	}
	require.NoError(t, protocol.NewJSON().Unmarshal([]byte(`{"Text":"2026-11-28","Raw":"2026-11-28","Any":"2026-11-28","Named":"2026-11-28","At":"2026-11-28"}`), &v))
	require.Equal(t, "2026-11-28", v.Text)
	require.Equal(t, `"2026-11-28"`, string(v.Raw))
	require.Equal(t, "2026-11-28", v.Any)
	require.Equal(t, named("2026-11-28"), v.Named)
	require.Equal(t, time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC), v.At)
}

func TestMessagePackReadsDateTimeOffset(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	for digits, want := range map[string]string{
		"92 d6 ff 5f e4 8e 80 3c":                                     "2020-12-24T11:50:08Z",
		"92 d6 ff 69 81 73 f2 78":                                     "2026-02-03T02:05:06Z",
		"92 d7 ff 1d 6f 32 f0 69 81 73 f2 00":                         "2026-02-03T04:05:06.1234567Z",
		"92 d6 ff 69 81 73 f2 d0 88":                                  "2026-02-03T06:05:06Z",
		"92 d6 ff 69 81 73 f2 d1 ff 88":                               "2026-02-03T06:05:06Z",
		"92 d6 ff 69 81 73 f2 d2 ff ff ff 88":                         "2026-02-03T06:05:06Z",
		"92 d6 ff 69 81 73 f2 d3 ff ff ff ff ff ff ff 88":             "2026-02-03T06:05:06Z",
		"92 d6 ff 69 81 73 f2 cc 78":                                  "2026-02-03T02:05:06Z",
		"92 d6 ff 69 81 73 f2 cd 00 78":                               "2026-02-03T02:05:06Z",
		"92 d6 ff 69 81 73 f2 d3 00 00 00 00 00 00 00 78":             "2026-02-03T02:05:06Z",
		"92 d6 ff 69 81 73 f2 cd 03 48":                               "2026-02-02T14:05:06Z",
		"dc 00 02 d6 ff 69 81 73 f2 78":                               "2026-02-03T02:05:06Z",
		"92 c7 0c ff 00 00 00 00 ff ff ff ff ff ff ff ff 01":          "1969-12-31T23:58:59Z",
		"92 c7 0c ff 1d cd 65 00 ff ff ff ff ff ff ff ff ff":          "1970-01-01T00:00:59.5Z",
		"92 c7 0c ff 00 00 00 00 ff ff ff f1 88 6e 09 00 d1 fd 30":    "0001-01-01T12:00:00Z",
		"92 c7 0c ff 3b 9a c9 9c 00 00 00 3a ff f4 41 7f cd 03 48":    "9999-12-31T09:59:59.9999999Z",
		"dd 00 00 00 02 c7 04 ff 69 81 73 f2 ce 00 00 00 78":          "2026-02-03T02:05:06Z",
		"92 c9 00 00 00 04 ff 69 81 73 f2 cf 00 00 00 00 00 00 00 78": "2026-02-03T02:05:06Z",
	} {
		value := string(unhex(t, digits))
		var got time.Time
		require.NoError(t, p.Unmarshal([]byte(value), &got), digits)
		require.Equal(t, want, got.Format(time.RFC3339Nano), digits)

		var all dated
		wire := "\x86\xa2at" + value + "\xa7Pointer" + value + "\xa4List\x92" + value + value + "\xa5Pairs\x92" + value + value +
			"\xa3Map\x81\xa1a" + value + "\xa4Deep\x91\x81\xa1x\x81\xa2at" + value
		require.NoError(t, p.Unmarshal([]byte(wire), &all), digits)
		for _, at := range all.allTimes() {
			require.Equal(t, got, at)
		}
		var untyped any
		require.NoError(t, p.Unmarshal([]byte(value), &untyped))
		require.Len(t, untyped, 2, "only the type tells that it is a time")
	}
	for _, digits := range []string{
		"90", "91 d6 ff 69 81 73 f2", "93 d6 ff 69 81 73 f2 78 00", "92 00 00", "92 d6 ff 69 81 73 f2 c0", "92 d6 ff 69 81 73 f2 a1 30",
		"92 d6 ff 69 81 73 f2 ca 42 f0 00 00", "92 d6 05 69 81 73 f2 78", "92 78 d6 ff 69 81 73 f2", "92 d6 ff 69 81 73 f2 cd 03 49",
		"92 d6 ff 69 81 73 f2 d1 fc b7", "92 d6 ff 69 81 73 f2 d3 80 00 00 00 00 00 00 00", "92 c7 0c ff 3b 9a ca 00 00 00 00 00 00 00 00 00 00",
		"82 d6 ff 69 81 73 f2 00 00 00", "92 c0 00",
	} {
		require.Error(t, p.Unmarshal(unhex(t, digits), new(time.Time)), digits)
	}
}
