package main

import (
	"iter"
	"strconv"
	"time"

	"github.com/go-signalr/signalr/hubs"
)

// The client method that ValuesHub sends values to, and asks for them.
var (
	value     = hubs.NewEvent1[any]("Value")
	wantValue = hubs.NewQuery1[any, any]("Value")
)

// ValuesHub gives values back, by each of the ways that a value can take between client and server (reference 4.2,
// 5.3).
type ValuesHub struct{}

// Values has a member of each kind that the encodings treat in a way of its own.
type Values struct {
	Text     string
	Integer  int64
	Natural  uint64
	Real     float64
	Flag     bool
	Bytes    []byte
	Instant  time.Time
	Anything any
	Numbers  []int
	Words    map[string]string
	Pointer  *int
	Nested   Nested
	List     []*Nested
	ByName   map[string]*Nested
	Moment   *time.Time
	Renamed  string `json:"a name of its own"`
	Optional string `json:",omitempty"`
}

// Nested is a struct within Values.
type Nested struct {
	Name  string
	Inner *Nested
}

// Echo returns its argument.
func (*ValuesHub) Echo(_ *hubs.Context, values Values) Values { return values }

// EchoNested returns its argument, which may be null.
func (*ValuesHub) EchoNested(_ *hubs.Context, nested *Nested) *Nested { return nested }

// EchoBytes returns its argument.
func (*ValuesHub) EchoBytes(_ *hubs.Context, data []byte) []byte { return data }

// EchoTime returns its argument.
func (*ValuesHub) EchoTime(_ *hubs.Context, instant time.Time) time.Time { return instant }

// FormatTime tells which instant has arrived.
func (*ValuesHub) FormatTime(_ *hubs.Context, instant time.Time) string {
	return instant.UTC().Format(time.RFC3339Nano)
}

// ParseInt returns the integer that a text holds in decimal.
func (*ValuesHub) ParseInt(_ *hubs.Context, text string) (int64, error) {
	return strconv.ParseInt(text, 10, 64)
}

// ParseUint returns the natural number that a text holds in decimal.
func (*ValuesHub) ParseUint(_ *hubs.Context, text string) (uint64, error) {
	return strconv.ParseUint(text, 10, 64)
}

// FormatInt tells which integer has arrived.
func (*ValuesHub) FormatInt(_ *hubs.Context, number int64) string {
	return strconv.FormatInt(number, 10)
}

// FormatUint tells which natural number has arrived.
func (*ValuesHub) FormatUint(_ *hubs.Context, number uint64) string {
	return strconv.FormatUint(number, 10)
}

// EchoAny returns its argument.
func (*ValuesHub) EchoAny(_ *hubs.Context, v any) any { return v }

// SendAny sends its argument back as a client method call.
func (*ValuesHub) SendAny(c *hubs.Context, v any) error {
	return value.Send(c, c.Clients().Caller(), v)
}

// AskAny asks the caller for a client result, giving its argument on, and returns the answer.
func (*ValuesHub) AskAny(c *hubs.Context, v any) (any, error) {
	return wantValue.Ask(c, c.Clients().Caller(), v)
}

// StreamAny streams the elements of its argument.
func (*ValuesHub) StreamAny(_ *hubs.Context, list []any) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// CollectAny returns all items of the caller's stream.
func (*ValuesHub) CollectAny(_ *hubs.Context, items iter.Seq2[any, error]) ([]any, error) {
	list := []any{}
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, nil
}
