package classic

import (
	"encoding/json"
	"strconv"
)

// Most messages in one response. The client has to take a
// response as a whole, so that it is limited in bytes too.
const (
	maxStreamMessages = 10
	maxPollMessages   = 5000
	maxPollBytes      = 1 << 20
)

// atOnce returns how many messages there are in one response.
func (t transport) atOnce() int {
	if t == longPolling {
		return maxPollMessages
	}
	return maxStreamMessages
}

// response is what a client gets at once (classic reference 6).
type response struct {
	cursor   string
	init     bool
	shutdown bool
	groups   string // token
	accepted bool   // what the token says
	delay    int    // milliseconds until the next poll; 0: none
	failure  string // ends the client
	messages [][]byte
	size     int // of the messages
}

// add appends messages.
func (r *response) add(messages ...[]byte) {
	for _, m := range messages {
		r.messages = append(r.messages, m)
		r.size += len(m)
	}
}

// room returns about how many bytes the response takes.
func (r *response) room() int {
	const rest = 64
	return r.size + len(r.messages) + len(r.cursor) + len(r.groups) + rest
}

// append appends the JSON of the response. The cursor and the tokens are made of
// characters that need no escapes.
func (r *response) append(b []byte) []byte {
	b = append(b, `{"C":"`...)
	b = append(b, r.cursor...)
	b = append(b, '"')
	if r.init {
		b = append(b, `,"S":1`...)
	}
	if r.shutdown {
		b = append(b, `,"T":1`...)
	}
	if r.groups != "" {
		b = append(b, `,"G":"`...)
		b = append(b, r.groups...)
		b = append(b, '"')
	}
	if r.delay > 0 {
		b = append(b, `,"L":`...)
		b = strconv.AppendInt(b, int64(r.delay), 10)
	}
	if r.failure != "" {
		b = append(b, `,"E":`...)
		b = appendJSON(b, r.failure)
	}
	b = append(b, `,"M":[`...)
	for i, m := range r.messages {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, m...)
	}
	return append(b, "]}"...)
}

// appendJSON appends a text as JSON.
func appendJSON(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // never fails for texts
	return append(b, text...)
}
