package redis

import (
	"encoding/binary"
	"errors"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/scaleout"
)

// The fields of an entry of a stream.
const (
	// fieldEnvelopes has the envelopes that a node has appended to the stream at
	// once, which costs Redis and the client hardly more than one alone. Each has
	// before it, as of [binary.Uvarint], how many numbers of its publisher before its
	// own were given up, which are missing and whose publishers got an error, and its
	// place among all that the publisher has appended to any stream, from the
	// envelope before it or 0; then the length of its encoding (4 bytes, the highest
	// first).
	fieldEnvelopes = "e"
	// fieldPart is fieldEnvelopes of an entry that is part of a batch: what the node
	// has appended at the same time is in other streams too.
	fieldPart = "p"
	// fieldMark is in entries without envelopes. It has the id of a node that has just
	// joined, or nothing.
	fieldMark = "m"
)

// lengthBytes is how long the length of an envelope is, and packingOverhead how much
// an envelope takes beside its encoding, at most.
const (
	lengthBytes     = 4
	packingOverhead = lengthBytes + 2*binary.MaxVarintLen64
)

var errCutOff = errors.New("redis: the entry is cut off")

// pack returns the content of the field for entries.
func pack(entries []*entry, publisher scaleout.NodeID) []byte {
	size := 0
	for _, e := range entries {
		size += e.size + packingOverhead
	}
	packed := make([]byte, 0, size)
	last := uint64(0)
	for _, e := range entries {
		packed = binary.AppendUvarint(packed, e.gap)
		packed = binary.AppendUvarint(packed, e.order-last)
		last = e.order
		start := len(packed) + lengthBytes
		packed = append(packed, make([]byte, lengthBytes)...)
		packed = scaleout.AppendEnvelopeAs(packed, e.envelope, publisher, e.sequence)
		binary.BigEndian.PutUint32(packed[start-lengthBytes:], uint32(len(packed)-start))
	}
	return packed
}

// unpacked is an envelope of an entry.
type unpacked struct {
	*scaleout.Envelope
	gap     uint64 // how many numbers before its own were given up
	order   uint64 // its place among all that its publisher has appended to any stream
	skipped bool   // only its numbers are there
}

// unpack calls do for each envelope of a field's content until one is malformed. The
// envelopes share its memory, and that of each other. If wants is not nil, those that it
// does not want are skipped: they are valid during do alone.
func unpack(packed []byte, wants func(scaleout.Header) bool, do func(unpacked)) error {
	var envelopes []scaleout.Envelope
	var skipped scaleout.Envelope
	order := uint64(0)
	for len(packed) > 0 {
		gap, step, length, rest := cut(packed)
		if rest == nil {
			return errCutOff
		}
		order += step
		if wants != nil {
			if h, err := scaleout.ParseHeader(rest[:length:length]); err == nil && !wants(h) {
				skipped.Publisher, skipped.Sequence = h.Publisher, h.Sequence
				do(unpacked{&skipped, gap, order, true})
				packed = rest[length:]
				continue
			}
		}
		if envelopes == nil {
			envelopes = make([]scaleout.Envelope, countPacked(packed))
		}
		e := &envelopes[0]
		envelopes = envelopes[1:]
		if err := scaleout.ParseEnvelopeInto(e, rest[:length:length]); err != nil {
			return err
		}
		do(unpacked{e, gap, order, false})
		packed = rest[length:]
	}
	return nil
}

// countPacked returns how many envelopes a field's content has.
func countPacked(packed []byte) (count int) {
	for len(packed) > 0 {
		_, _, length, rest := cut(packed)
		if rest == nil {
			break
		}
		packed = rest[length:]
		count++
	}
	return count
}

// cut returns the numbers before an envelope, which is the beginning of rest; rest is
// nil if it is cut off.
func cut(packed []byte) (gap, step uint64, length int, rest []byte) {
	gap, n := binary.Uvarint(packed)
	if n <= 0 {
		return 0, 0, 0, nil
	}
	step, m := binary.Uvarint(packed[n:])
	if n += m; m <= 0 || len(packed) < n+lengthBytes {
		return 0, 0, 0, nil
	}
	announced := binary.BigEndian.Uint32(packed[n:])
	rest = packed[n+lengthBytes:]
	if uint64(announced) > uint64(len(rest)) {
		return 0, 0, 0, nil
	}
	return gap, step, int(announced), rest
}

// open calls do for each envelope of a message of the stream, which ends at a
// position. It returns the length of the message's content.
func (s *stream) open(m goredis.XMessage, end scaleout.Position, wants func(scaleout.Header) bool, do func(unpacked)) (size int, err error) {
	if _, ok := m.Values[fieldMark]; ok {
		return 0, nil
	}
	packed, ok := m.Values[fieldEnvelopes].(string)
	if !ok {
		packed, ok = m.Values[fieldPart].(string)
	}
	if !ok {
		return 0, errors.New("redis: the entry has no envelopes")
	}
	index := 0
	err = unpack([]byte(packed), wants, func(u unpacked) {
		u.Stream, u.Position = s.index, inEntry(end, index)
		index++
		do(u)
	})
	return len(packed), err
}
