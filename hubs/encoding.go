package hubs

import (
	"sync"
	"sync/atomic"

	"github.com/go-signalr/signalr/protocol"
)

// encoding is one hub protocol as a hub uses it: it makes whole frames out of
// values. It is safe for concurrent use.
type encoding struct {
	protocol protocol.Protocol
	recycler protocol.Recycler // the protocol, if it is one
	index    int               // in the hub's list
	records  bool              // messages end with a record separator
	ping     []byte            // the frame, shared by all connections
	empty    []byte            // the frame of the answer to no call: it is counted, but means nothing

	connections atomic.Int64 // sessions in the registry that use it

	scratches sync.Pool // *scratch
}

func newEncodings(protocols []protocol.Protocol) ([]*encoding, error) {
	var encodings []*encoding
	for i, p := range protocols {
		ping, err := p.Append(nil, &protocol.Ping{})
		if err != nil {
			return nil, err
		}
		empty, err := p.Append(nil, &protocol.Completion{InvocationID: "-"})
		if err != nil {
			return nil, err
		}
		recycler, _ := p.(protocol.Recycler)
		encodings = append(encodings, &encoding{protocol: p, recycler: recycler, index: i, records: p.Name() == "json", ping: ping, empty: empty})
	}
	return encodings, nil
}

// recycle gives a message of the client's back, which nobody uses any more.
func (e *encoding) recycle(m protocol.Message) {
	if e.recycler != nil {
		e.recycler.Recycle(m)
	}
}

// scratch is memory for values between their encoding and that of the message
// around them.
type scratch struct {
	buf  []byte
	ends []int
	raws [][]byte

	completion protocol.Completion
	item       protocol.StreamItem
}

// maxScratch bounds the memory that a scratch keeps while it is not in use.
const maxScratch = 64 << 10

func (e *encoding) scratch() *scratch {
	if s, ok := e.scratches.Get().(*scratch); ok {
		return s
	}
	return new(scratch)
}

func (e *encoding) release(s *scratch) {
	if cap(s.buf) <= maxScratch {
		s.buf = s.buf[:0]
		s.ends = s.ends[:0]
		clear(s.raws)
		s.raws = s.raws[:0]
		s.completion, s.item = protocol.Completion{}, protocol.StreamItem{}
		e.scratches.Put(s)
	}
}

// values encodes values one behind the other.
func (s *scratch) values(p protocol.Protocol, values ...any) ([][]byte, error) {
	var err error
	for _, v := range values {
		if s.buf, err = p.AppendValue(s.buf, v); err != nil {
			return nil, err
		}
		s.ends = append(s.ends, len(s.buf))
	}
	start := 0
	for _, end := range s.ends {
		s.raws = append(s.raws, s.buf[start:end:end])
		start = end
	}
	return s.raws, nil
}

// frameOverhead is about what a message adds to its values, its method's name
// and id excluded.
const frameOverhead = 48

// streamChunk is the size of the pieces of memory that items of a stream share.
const streamChunk = 2 << 10

// invocation returns the frame of a call to a client; id is empty unless the
// client is to answer.
func (e *encoding) invocation(id, target string, args []any) ([]byte, error) {
	s := e.scratch()
	defer e.release(s)
	raws, err := s.values(e.protocol, args...)
	if err != nil {
		return nil, err
	}
	frame := make([]byte, 0, len(s.buf)+len(args)+len(target)+len(id)+frameOverhead)
	return e.protocol.Append(frame, &protocol.Invocation{InvocationID: id, Target: target, Arguments: raws})
}

// streamItem returns the frame of one item of a stream. It is cut from chunk while
// that has room, or from a new one; the rest is for the next item.
func (e *encoding) streamItem(chunk []byte, id string, item any) (frame, rest []byte, err error) {
	s := e.scratch()
	defer e.release(s)
	raws, err := s.values(e.protocol, item)
	if err != nil {
		return nil, chunk, err
	}
	if need := len(s.buf) + len(id) + frameOverhead; need > cap(chunk) {
		chunk = make([]byte, 0, max(need, streamChunk))
	}
	s.item = protocol.StreamItem{InvocationID: id, Item: raws[0]}
	if frame, err = e.protocol.Append(chunk, &s.item); err != nil {
		return nil, chunk, err
	}
	n := len(frame)
	if n > cap(chunk) { // a protocol that needs more than was expected
		return frame, chunk, nil
	}
	return frame[:n:n], chunk[n:n], nil
}

// result returns the frame of a successful answer.
func (e *encoding) result(id string, result any) ([]byte, error) {
	s := e.scratch()
	defer e.release(s)
	raws, err := s.values(e.protocol, result)
	if err != nil {
		return nil, err
	}
	frame := make([]byte, 0, len(s.buf)+len(id)+frameOverhead)
	s.completion = protocol.Completion{InvocationID: id, Result: raws[0]}
	return e.protocol.Append(frame, &s.completion)
}

// message returns the frame of a message without values.
func (e *encoding) message(m protocol.Message) ([]byte, error) { return e.protocol.Append(nil, m) }
